"""What cheroot's own suite looks at from outside, asked of this server. ``docs/migrating-from-cheroot.md`` has the list."""

import re
import threading

import pytest
from conftest import body, get, receive_all, showing


def echo(environ, start_response):
    content = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/needs-length" and "CONTENT_LENGTH" not in environ:
        start_response("411 Length Required", [])
        return []
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [content or environ["PATH_INFO"].encode("latin-1")]


def statuses(raw):
    """The status codes of several answers in a row."""
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", raw)


REQUEST_LINES = [
    (b"GET / HTTP/1.1", b"200"),
    (b"GET /%20HTTP/1.1%0D%0AX:%20y HTTP/1.1", b"200"),
    (b"GET /\xc3\xa9 HTTP/1.1", b"400"),
    (b"GET hello HTTP/1.1", b"400"),
    (b"GET %68ello HTTP/1.1", b"400"),
    (b"GET /#fragment HTTP/1.1", b"400"),
    (b"GET http://h/path HTTP/1.1", b"200"),
    (b"GET /", b"400"),
    (b"GET / HTTPS/1.1", b"400"),
    (b"GET / HTTP/1", b"400"),
    (b"GET / HTTP/2.0", b"505"),
    (b"GET / HTTP/2.15", b"400"),
    (b"GeT / HTTP/1.1", b"200"),
    (b"GET  / HTTP/1.1", b"400"),
    (b"GET /" + b"x" * 241 + b" HTTP/1.1", b"200"),
    (b"* * HTTP/1.1", b"400"),
]


@pytest.mark.parametrize(("line", "status"), REQUEST_LINES)
def test_request_lines(serve, line, status):
    served = serve(showing("PATH_INFO"))
    raw = served.exchange(line + b"\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert statuses(raw) == [status]


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: one\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        b"\x16\x03\x01garbage without the end of a line" * 10,
    ],
)
def test_malformed_requests_are_a_400_and_the_end(serve, request_):
    raw = serve(echo).exchange(request_ + get())
    assert statuses(raw) == [b"400"] and b"Connection: close" in raw


def test_a_length_beyond_all_numbers(serve):
    raw = serve(echo).exchange(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n")
    assert statuses(raw) in ([b"413"], [b"400"])


def test_post_without_a_length_has_no_content(serve):
    served = serve(echo)
    assert body(served.exchange(get("/path", method="POST"))) == b"/path"
    assert statuses(served.exchange(get("/needs-length", method="POST"))) == [b"411"]


def test_connections_persist(serve):
    served = serve(echo)
    raw = served.exchange(get("/1", close=False) + get("/2", close=False) + get("/3"))
    assert statuses(raw) == [b"200"] * 3 and raw.count(b"Connection: close") == 1 and b"keep-alive" not in raw.lower()


def test_http_10(serve):
    served = serve(echo)
    assert b"Connection" not in served.exchange(b"GET / HTTP/1.0\r\n\r\n").replace(b"Connection: close", b"")
    raw = served.exchange(b"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")
    assert statuses(raw) == [b"200", b"200"] and raw.count(b"Connection: keep-alive") == 1
    served = serve(lambda e, s: (s("200 OK", []), iter([b"no", b"length"]))[1])
    raw = served.exchange(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert raw.endswith(b"\r\n\r\nnolength") and b"keep-alive" not in raw


def test_pipelining(serve):
    raw = serve(echo).exchange(b"".join(get(f"/{number}", close=number == 6) for number in range(1, 7)))
    assert [part[-2:] for part in raw.split(b"HTTP/1.1 ")[1:]] == [b"/%d" % number for number in range(1, 7)]


def test_one_continue_and_only_if_asked_for(serve):
    served = serve(echo)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n"
    assert b"100 Continue" not in served.exchange(head + b"\r\nabc")
    with served.connect() as client:
        client.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert statuses(receive_all(client)) == [b"200"]
    assert statuses(served.exchange(head + b"Expect: something\r\n\r\nabc")) == [b"417"]


def test_an_error_before_content_is_read_ends_the_connection_after_the_answer(serve):
    def app(environ, start_response):
        raise ValueError("before reading")

    raw = serve(app).exchange(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
    assert statuses(raw) == [b"500"]


def test_chunked_uploads_with_extensions_and_trailers(serve):
    request = (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b'8;key=value\r\nxx\r\nxxxx\r\n5;other="quoted"\r\nyyyyy\r\n0\r\nX-Trailer: text\r\n\r\n'
    )
    raw = serve(echo).exchange(request + get("/next"))
    assert statuses(raw) == [b"200", b"200"] and b"xx\r\nxxxxyyyyy" in raw and raw.endswith(b"/next")


def test_headers_are_sent_before_close_is_called(serve):
    gate = threading.Event()

    class Answer:
        def __iter__(self):
            return iter([b"content"])

        def close(self):
            assert gate.wait(5)

    served = serve(lambda e, s: (s("200 OK", [("Content-Length", "7")]), Answer())[1])
    with served.connect() as client:
        client.sendall(get(close=False))
        received = b""
        while not received.endswith(b"content"):
            received += client.recv(1000)
        gate.set()
    assert not served.logged
