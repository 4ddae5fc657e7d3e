"""What the server offers beyond PEP 3333."""

import socket
import struct
import time

import pytest
from conftest import body, get, until


def test_early_hints(serve):
    def app(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
        start_response("200 OK", [])
        return [b"x"]

    served = serve(app)
    raw = served.exchange(get())
    assert raw.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_early_hints_are_not_offered_to_http_10(serve):
    seen = []
    serve(lambda e, s: (seen.append("wsgi.early_hints" in e), s("200 OK", []), [b""])[2]).exchange(
        b"GET / HTTP/1.0\r\nHost: h\r\n\r\n"
    )
    assert seen == [False]


def test_early_hints_cannot_inject(serve):
    def app(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "a\r\nX: injected")])

    served = serve(app)
    raw = served.exchange(get())
    assert raw.startswith(b"HTTP/1.1 500") and b"injected" not in raw


def test_trailers(serve):
    def app(environ, start_response):
        start_response("200 OK", [("Trailer", "X-Sum")])
        yield b"content"
        environ["cherrystone.exchange"].send_trailers([("X-Sum", "42")])

    raw = serve(app).exchange(get())
    assert raw.endswith(b"0\r\nX-Sum: 42\r\n\r\n")


def test_request_trailers(serve):
    def app(environ, start_response):
        content = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [content, repr(environ["cherrystone.exchange"].request_trailers()).encode()]

    request = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
    assert body(serve(app).exchange(request)) == b"abc[('X-Sum', '6')]"
    assert body(serve(app, chunked_input="stream").exchange(request)) == b"abc[('X-Sum', '6')]"


def test_client_gone(serve):
    seen = []

    def app(environ, start_response):
        exchange = environ["cherrystone.exchange"]
        seen.append(exchange.client_gone())
        deadline = time.monotonic() + 5
        while not exchange.client_gone() and time.monotonic() < deadline:
            time.sleep(0.02)
        seen.append(exchange.client_gone())
        start_response("200 OK", [])
        return [b""]

    served = serve(app)
    client = served.connect()
    client.sendall(get())
    until(lambda: seen)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    until(lambda: len(seen) == 2)
    assert seen == [False, True]


def test_objects_of_a_request_are_harmless_afterwards(serve):
    kept = []

    def app(environ, start_response):
        if kept:
            for use in (lambda: kept[0](b"x"), kept[1].client_gone, kept[2].read):
                with pytest.raises((RuntimeError, OSError)):
                    use()
        else:
            write = start_response("200 OK", [])
            write(b"first")
            kept.extend([write, environ["cherrystone.exchange"], environ["wsgi.input"]])
            return []
        start_response("200 OK", [])
        return [b"second"]

    served = serve(app, numthreads=1, maxthreads=1)
    first = served.request("POST", "/", body=b"x" * 100_000)
    assert first.content == b"first"
    assert served.get().content == b"second"
    with pytest.raises(RuntimeError):
        kept[1].client_gone()
