//! What does the author of the application test?

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::axum_app::{Shared, app};

async fn answer(request: Request<Body>) -> (StatusCode, String) {
    let response = app(Shared::default()).oneshot(request).await.unwrap();
    let status = response.status();
    let content = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(content.to_vec()).unwrap())
}

#[tokio::test]
async fn routes_and_extractors() {
    let ask = |target: &str| Request::get(target).body(Body::empty()).unwrap();
    assert_eq!(answer(ask("/")).await, (StatusCode::OK, "hello\n".into()));
    assert_eq!(answer(ask("/hello/moon?times=2")).await, (StatusCode::OK, "hello, moon\n".repeat(2)));
    assert_eq!(answer(ask("/hello/moon?times=x")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(answer(ask("/nowhere")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(answer(ask("/tunnel")).await, (StatusCode::UPGRADE_REQUIRED, "upgrade required".into()));
}

#[tokio::test]
async fn notes_are_kept() {
    let app = app(Shared::default());
    let json = Request::post("/notes").header(header::CONTENT_TYPE, "application/json");
    let added = app.clone().oneshot(json.body(Body::from(r#"{"text":"milk"}"#)).unwrap()).await.unwrap();
    assert_eq!(
        (added.status(), &added.headers()[header::LOCATION]),
        (StatusCode::CREATED, &"/notes/0".parse().unwrap())
    );
    let read = app.oneshot(Request::get("/notes/0").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(read.into_body().collect().await.unwrap().to_bytes(), r#"{"text":"milk"}"#);
}
