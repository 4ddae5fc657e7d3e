"""Real applications, asked over HTTP: Flask, Django, CherryPy, Bottle."""

import hashlib
import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request

import pytest

CONTENT = bytes(range(256)) * 1200


def multipart(**files):
    """A form with files, and its media type."""
    boundary = "cherrystone-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.bin"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in files.items()
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def pieces(content, size=10_000):
    return (content[at : at + size] for at in range(0, len(content), size))


def post_chunked(served, path, content, **headers):
    named = {"Transfer-Encoding": "chunked", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return served.request("POST", path, body=pieces(content), headers=named, encode_chunked=True)


class Browser:
    """Keeps cookies."""

    def __init__(self, served):
        self.base = served.server.url
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(self, path):
        return self.opener.open(self.base + path, timeout=10).read()

    def post(self, path, content, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.opener.open(urllib.request.Request(self.base + path, content, named), timeout=10).read()

    def form(self, path, **fields):
        return self.post(path, urllib.parse.urlencode(fields).encode())


# ---- Flask


@pytest.fixture
def flask_app(tmp_path):
    flask = pytest.importorskip("flask")
    app = flask.Flask("tested")
    app.secret_key = "secret"
    (tmp_path / "file.bin").write_bytes(CONTENT)

    @app.route("/upload", methods=["POST"])
    def upload():
        file = flask.request.files["file"]
        return {"name": file.filename, "digest": hashlib.sha256(file.read()).hexdigest()}

    @app.route("/raw", methods=["POST"])
    def raw():
        return {"length": flask.request.content_length, "digest": hashlib.sha256(flask.request.get_data()).hexdigest()}

    @app.route("/stream")
    def stream():
        return flask.Response((f"line {number}\n" for number in range(1000)), mimetype="text/plain")

    @app.route("/count")
    def count():
        flask.session["count"] = flask.session.get("count", 0) + 1
        return str(flask.session["count"])

    @app.route("/file")
    def file():
        return flask.send_file(tmp_path / "file.bin", conditional=True)

    @app.route("/json", methods=["PUT"])
    def put():
        return flask.request.get_json()

    @app.route("/fail")
    def fail():
        raise RuntimeError("in the view")

    return app


def test_flask(serve, flask_app):
    served = serve(flask_app)
    digest = hashlib.sha256(CONTENT).hexdigest()
    form, media_type = multipart(file=CONTENT)
    expected = {"name": "file.bin", "digest": digest}
    assert json.loads(served.request("POST", "/upload", form, {"Content-Type": media_type}).content) == expected
    assert json.loads(post_chunked(served, "/upload", form, Content_Type=media_type).content) == expected
    assert json.loads(served.request("POST", "/raw", CONTENT).content) == {"length": len(CONTENT), "digest": digest}
    assert json.loads(post_chunked(served, "/raw", CONTENT).content) == {"length": len(CONTENT), "digest": digest}
    assert json.loads(post_chunked(serve(flask_app, chunked_input="stream"), "/raw", CONTENT).content)["digest"] == digest
    assert served.get("/stream").content == "".join(f"line {number}\n" for number in range(1000)).encode()
    browser = Browser(served)
    assert [browser.get("/count") for _ in range(3)] == [b"1", b"2", b"3"]
    answer = served.get("/file")
    assert answer.content == CONTENT and answer.getheader("Content-Length") == str(len(CONTENT))
    answer = served.get("/file", Range="bytes=1000-1999")
    assert (answer.status, answer.content) == (206, CONTENT[1000:2000])
    assert served.get("/file", If_None_Match=answer.getheader("ETag")).status == 304
    assert served.request("HEAD", "/file").getheader("Content-Length") == str(len(CONTENT))
    answer = served.request("PUT", "/json", b'{"a": [1, "\xc3\xa9"]}', {"Content-Type": "application/json"})
    assert json.loads(answer.content) == {"a": [1, "\xe9"]}
    assert served.get("/missing").status == 404
    assert served.request("DELETE", "/json").status == 405
    assert served.get("/fail").status == 500
    assert served.request("OPTIONS", "/json").getheader("Allow")
    assert not served.logged


# ---- Django


@pytest.fixture(scope="module")
def django_app(tmp_path_factory):
    django = pytest.importorskip("django")
    from django.conf import settings

    root = tmp_path_factory.mktemp("django")
    if not settings.configured:
        settings.configure(
            DEBUG=False,
            SECRET_KEY="secret",
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF="test_frameworks",
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(root / "db.sqlite3")}},
            INSTALLED_APPS=[
                "django.contrib.admin",
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "django.contrib.messages",
                "django.contrib.sessions",
            ],
            MIDDLEWARE=[
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware",
            ],
            TEMPLATES=[
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "APP_DIRS": True,
                    "OPTIONS": {
                        "context_processors": [
                            "django.template.context_processors.request",
                            "django.contrib.auth.context_processors.auth",
                            "django.contrib.messages.context_processors.messages",
                        ]
                    },
                }
            ],
            DATA_UPLOAD_MAX_MEMORY_SIZE=10_000_000,
            FILE_UPLOAD_TEMP_DIR=str(root),
            STATIC_URL="/static/",
            USE_TZ=True,
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        )
        django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.db import connections

    call_command("migrate", verbosity=0)
    User.objects.create_superuser("admin", "admin@example.org", "password")
    (root / "file.bin").write_bytes(CONTENT)
    make_urls(root)
    yield get_wsgi_application()
    connections.close_all()


urlpatterns = []


def make_urls(root):
    from django.contrib import admin
    from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    @csrf_exempt
    def upload(request):
        file = request.FILES["file"]
        return JsonResponse({"name": file.name, "digest": hashlib.sha256(file.read()).hexdigest()})

    @csrf_exempt
    def raw(request):
        return JsonResponse({"digest": hashlib.sha256(request.body).hexdigest()})

    def stream(request):
        return StreamingHttpResponse(f"line {number}\n" for number in range(1000))

    def file(request):
        return FileResponse(open(root / "file.bin", "rb"))

    def path_view(request, rest):
        return HttpResponse(rest)

    urlpatterns[:] = [
        path("admin/", admin.site.urls),
        path("upload", upload),
        path("raw", raw),
        path("stream", stream),
        path("file", file),
        path("path/<path:rest>", path_view),
    ]


def test_django(serve, django_app):
    served = serve(django_app, numthreads=2)
    digest = hashlib.sha256(CONTENT).hexdigest()
    form, media_type = multipart(file=CONTENT)
    expected = {"name": "file.bin", "digest": digest}
    assert json.loads(served.request("POST", "/upload", form, {"Content-Type": media_type}).content) == expected
    assert json.loads(post_chunked(served, "/upload", form, Content_Type=media_type).content) == expected
    assert json.loads(post_chunked(served, "/raw", CONTENT).content) == {"digest": digest}
    assert json.loads(post_chunked(served, "/raw", b"small").content) == {"digest": hashlib.sha256(b"small").hexdigest()}
    assert served.get("/stream").content == "".join(f"line {number}\n" for number in range(1000)).encode()
    answer = served.get("/file")
    assert answer.content == CONTENT and answer.getheader("Content-Length") == str(len(CONTENT))
    assert served.get("/path/%E2%82%AC").content == "\u20ac".encode()
    assert served.get("/missing").status == 404


def test_the_admin_of_django(serve, django_app):
    browser = Browser(serve(django_app, numthreads=2))
    page = browser.get("/admin/login/?next=/admin/").decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)
    fields = {"username": "admin", "password": "wrong", "csrfmiddlewaretoken": token, "next": "/admin/"}
    assert b"correct username and password" in browser.form("/admin/login/?next=/admin/", **fields)
    page = browser.form("/admin/login/?next=/admin/", **{**fields, "password": "password"})
    assert b"Site administration" in page
    assert b"admin@example.org" in browser.get("/admin/auth/user/")
    with pytest.raises(urllib.error.HTTPError) as refused:
        browser.form("/admin/logout/")
    assert refused.value.code == 403


# ---- CherryPy


def test_cherrypy(serve, tmp_path, authority):
    cherrypy = pytest.importorskip("cherrypy")
    from cherrypy.lib.static import serve_file

    (tmp_path / "file.bin").write_bytes(CONTENT)

    class Root:
        @cherrypy.expose
        def index(self):
            return "index"

        @cherrypy.expose
        def echo(self, *path, **params):
            return repr((path, sorted(params.items())))

        @cherrypy.expose
        def upload(self, file):
            return hashlib.sha256(file.file.read()).hexdigest()

        @cherrypy.expose
        def stream(self):
            return (f"line {number}\n" for number in range(1000))

        stream._cp_config = {"response.stream": True}

        @cherrypy.expose
        def count(self):
            cherrypy.session["count"] = cherrypy.session.get("count", 0) + 1
            return str(cherrypy.session["count"])

        @cherrypy.expose
        def file(self):
            return serve_file(str(tmp_path / "file.bin"), "application/octet-stream")

        @cherrypy.expose
        def fail(self):
            raise RuntimeError("in the handler")

    cherrypy.config.update({"environment": "embedded", "log.screen": False})
    app = cherrypy.tree.mount(Root(), "/site", {"/": {"tools.sessions.on": True}})
    app.log.error_log.handlers.clear()
    served = serve(cherrypy.tree)
    try:
        digest = hashlib.sha256(CONTENT).hexdigest().encode()
        assert served.get("/site/").content == b"index"
        assert served.get("/site/echo/a%20b/c%2Fd?x=1&y=%C3%A9").content == repr(
            (("a b", "c/d"), [("x", "1"), ("y", "\xe9")])
        ).encode()
        form, media_type = multipart(file=CONTENT)
        assert served.request("POST", "/site/upload", form, {"Content-Type": media_type}).content == digest
        assert post_chunked(served, "/site/upload", form, Content_Type=media_type).content == digest
        assert served.get("/site/stream").content.endswith(b"line 999\n")
        browser = Browser(served)
        assert [browser.get("/site/count") for _ in range(3)] == [b"1", b"2", b"3"]
        assert served.get("/site/file").content == CONTENT
        answer = served.get("/site/file", Range="bytes=10-19")
        assert (answer.status, answer.content) == (206, CONTENT[10:20])
        assert served.get("/site/fail").status == 500
        assert served.get("/elsewhere").status == 404
        assert served.request("HEAD", "/site/").content == b""
        secured = serve(cherrypy.tree, ssl_adapter=authority.adapter())
        assert authority.get(secured, "/site/").content == b"index"
        assert authority.post(secured, "/site/upload", form, media_type).content == digest
    finally:
        del cherrypy.tree.apps["/site"]


# ---- Bottle


def test_bottle(serve, tmp_path):
    bottle = pytest.importorskip("bottle")
    (tmp_path / "file.bin").write_bytes(CONTENT)
    app = bottle.Bottle()

    @app.post("/upload")
    def upload():
        return hashlib.sha256(bottle.request.files["file"].file.read()).hexdigest()

    @app.post("/raw")
    def raw():
        return hashlib.sha256(bottle.request.body.read()).hexdigest()

    @app.get("/stream")
    def stream():
        for number in range(1000):
            yield f"line {number}\n"

    @app.get("/cookie")
    def cookie():
        count = int(bottle.request.get_cookie("count", "0", secret="secret")) + 1
        bottle.response.set_cookie("count", str(count), secret="secret")
        return str(count)

    @app.get("/file")
    def file():
        return bottle.static_file("file.bin", root=str(tmp_path))

    @app.get("/open")
    def opened():
        return open(tmp_path / "file.bin", "rb")

    served = serve(app)
    digest = hashlib.sha256(CONTENT).hexdigest().encode()
    form, media_type = multipart(file=CONTENT)
    assert served.request("POST", "/upload", form, {"Content-Type": media_type}).content == digest
    assert post_chunked(served, "/upload", form, Content_Type=media_type).content == digest
    assert served.request("POST", "/raw", CONTENT).content == digest
    assert post_chunked(served, "/raw", CONTENT).content == digest
    assert served.get("/stream").content.endswith(b"line 999\n")
    browser = Browser(served)
    assert [browser.get("/cookie") for _ in range(3)] == [b"1", b"2", b"3"]
    assert served.get("/file").content == served.get("/open").content == CONTENT
    assert served.get("/file", Range="bytes=10-19").content == CONTENT[10:20]
    assert served.get("/missing").status == 404
