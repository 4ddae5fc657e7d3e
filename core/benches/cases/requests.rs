//! What clients send.

/// The least that HTTP/1.1 allows.
pub(crate) const MINIMAL: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8070\r\n\r\n";

/// A request as browsers send it.
pub(crate) const BROWSER: &str = "GET /library/shelves/7/books?order=title&page=3 HTTP/1.1\r\n\
    Host: reading-room.example.net\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: de,en-US;q=0.7,en;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://reading-room.example.net/library/shelves/7\r\n\
    Connection: keep-alive\r\n\
    Cookie: sid=0f3b6a9c2d5e8f7a1b4c; theme=light; seen=3; lang=de; last=1763990000.25; zone=eu-2\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0, i\r\n\r\n";

/// 1 KiB of JSON to an API.
pub(crate) fn api_post() -> Vec<u8> {
    let mut request = b"POST /api/v2/loans HTTP/1.1\r\n\
        Host: api.example.net\r\n\
        User-Agent: python-requests/2.32.3\r\n\
        Accept: application/json\r\n\
        Accept-Encoding: gzip, deflate\r\n\
        Connection: keep-alive\r\n\
        Authorization: Bearer 7c1e94b05fd2a86388d0e1f2c3b4\r\n\
        Content-Type: application/json\r\n\
        Content-Length: 1024\r\n\r\n"
        .to_vec();
    let json = br#"{"book": 71, "days": 14},"#.iter().cycle().take(1024);
    request.extend(json);
    request
}

/// `fields` field lines with values of `len` octets, beside Host.
pub(crate) fn with_fields(fields: usize, len: usize) -> Vec<u8> {
    let mut request = b"GET / HTTP/1.1\r\nHost: api.example.net\r\n".to_vec();
    for n in 0..fields {
        request.extend_from_slice(format!("X-Field-{n:04}: {}\r\n", "v".repeat(len)).as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// An upload of this content with its length announced.
pub(crate) fn sized(content: &[u8]) -> Vec<u8> {
    let head = format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", content.len());
    [head.as_bytes(), content].concat()
}

/// An upload of this content in chunks of `size` octets.
pub(crate) fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let mut request = b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in content.chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}
