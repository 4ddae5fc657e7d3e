"""What the original did, name by name: each attribute's value, what setting it does, and the faults that are not to come back."""

import io

import pytest
from cherrystone import wsgiserver
from conftest import app_of, body, get, receive_all

#: Attributes of a server, the values that the original gives them, and another one for each. ``...``: the value is a matter of the machine.
ATTRIBUTES = {
    "ConnectionClass": (wsgiserver.HTTPConnection, type("Connection", (wsgiserver.HTTPConnection,), {})),
    "bind_addr": (("127.0.0.1", 0), ("127.0.0.1", 0)),
    "gateway": (wsgiserver.WSGIGateway_10, type("Asked", (wsgiserver.WSGIGateway_10,), {})),
    "interrupt": (None, None),
    "max_request_body_size": (0, 100 * 1024 * 1024),
    # More than a head can have is what CherryPy itself sets.
    "max_request_header_size": (0, 500 * 1024),
    "maxthreads": (None, 20),
    "minthreads": (None, 5),
    "nodelay": (True, False),
    "numthreads": (10, 3),
    "protocol": ("HTTP/1.1", "HTTP/1.1"),
    "ready": (False, False),
    "request_queue_size": (1024, 5),
    "server_name": (..., "www.cherrypy.example"),
    "shutdown_timeout": (5, 60),
    "software": (None, "Mine/1.0"),
    "ssl_adapter": (None, None),
    "timeout": (10, 30),
    "version": (..., "Mine/2.0"),
    "wsgi_app": (..., app_of(content=[b"another"])),
    "wsgi_version": ((1, 0), (1, 0)),
}


def new_server(application=app_of()):
    return wsgiserver.CherryPyWSGIServer(("127.0.0.1", 0), application)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_has_the_value_of_the_original(name):
    expected, _ = ATTRIBUTES[name]
    value = getattr(new_server(), name)
    assert value if expected is ... else value == expected


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_may_be_set_before_the_server_starts(serve, name):
    value = ATTRIBUTES[name][1]

    def make(address, application, numthreads, server_name):
        server = wsgiserver.CherryPyWSGIServer(address, application, numthreads, server_name)
        setattr(server, name, value)
        assert getattr(server, name) == value
        return server

    served = serve(app_of(), server_class=make)
    assert served.get().content == (b"another" if name == "wsgi_app" else b"hello")


def test_attributes_may_be_set_while_the_server_runs(serve):
    """They count from the next start at the latest, and harm nothing before."""
    served = serve(app_of())
    with served.connect() as client:
        for name, (_, value) in ATTRIBUTES.items():
            setattr(served.server, name, value)
            client.sendall(get(close=False))
            answer = client.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith((b"hello\r\n0\r\n\r\n", b"hello", b"another")), (name, answer)


def test_what_is_set_counts(serve):
    """The values that clients can see."""

    def names(environ, start_response):
        start_response("200 OK", [])
        return [environ["SERVER_NAME"].encode(), b" ", environ["SERVER_SOFTWARE"].encode()]

    served = serve(names, software="Mine/1.0", max_request_header_size=300, max_request_body_size=5)
    served.server.server_name = "late.example"
    answer = served.get()
    assert (answer.getheader("Server"), answer.content) == ("Mine/1.0", b"test.example Mine/1.0")
    assert served.get(X="a" * 300).status == 431
    assert served.request("POST", "/", b"123456").status == 413
    served = serve(names, version="Mine/2.0")
    assert served.get().getheader("Server") == "Mine/2.0 Server"


def test_the_name_of_the_server_is_no_version():
    server = new_server()
    assert server.server_name and server.version not in server.server_name


# ---- heads


@pytest.mark.parametrize(
    "lines",
    [
        ["Host : x"], [": x"], ["X Y: z"], ["X: a\0b"], ["X: a\rb"], ["X: a", " folded"], [" first", "X: a"],
        ["Content-Length: +3"], ["Content-Length: 0_3"], ["Content-Length: "], ["Content-Length: -1"],
        ["Content-Length: 3", "Content-Length: 4"],
        ["Content-Length: 3", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked, chunked"], ["Host: other"],
    ],
)  # fmt: skip
def test_a_head_that_the_original_took_is_refused(serve, lines):
    def never(environ, start_response):
        raise AssertionError("it reached the application")

    served = serve(never)
    answer = served.exchange(get("/", *lines, method="POST", close=False) + b"abc")
    assert answer.startswith(b"HTTP/1.1 400 ") and b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1 and not served.logged


def test_targets_that_the_original_refused_or_broke_on(serve):
    def path(environ, start_response):
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode("latin-1")]

    served = serve(path)
    assert body(served.exchange(get("//a/b"))) == b"//a/b"
    answer = served.exchange(get("//[x"))
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ")) and not served.logged
    assert served.exchange(get("/a\tb")).startswith(b"HTTP/1.1 400 ")


# ---- content that nobody reads, and answers that say more than they may


def test_content_that_was_not_read_is_no_request(serve):
    served = serve(app_of())
    content = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
    chunked = b"%x\r\n%s\r\n0\r\nGET: /trailer\r\n\r\n" % (len(content), content)
    request = get("/", "Transfer-Encoding: chunked", method="POST", close=False) + chunked + get("/")
    assert served.exchange(request).count(b"HTTP/1.1 200 ") == 2


class Gateways:
    """Answers by hand that the original sent as they were."""

    class Splitting(wsgiserver.Gateway):
        def respond(self):
            self.req.status = b"200 OK"
            self.req.outheaders = [(b"X", b"a\r\nSet-Cookie: b")]
            self.req.send_headers()

    class Chatty(wsgiserver.Gateway):
        def respond(self):
            self.req.status = self.req.path[1:] or b"200 OK"
            self.req.send_headers()
            self.req.write(b"content")

    class Simple(wsgiserver.Gateway):
        def respond(self):
            self.req.simple_response("404 Not Found", "nothing here")


def by_hand(serve, gateway):
    def make(address, application, numthreads, server_name):
        return wsgiserver.HTTPServer(address, gateway, server_name=server_name)

    return serve(None, server_class=make)


def test_a_header_cannot_split_the_answer(serve):
    answer = by_hand(serve, Gateways.Splitting).exchange(get())
    assert answer.startswith(b"HTTP/1.1 500 ") and b"Set-Cookie" not in answer


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/"), ("GET", "/204"), ("GET", "/304"), ("GET", "/205")])
def test_where_no_content_may_be_none_is_sent(serve, method, path):
    answer = by_hand(serve, Gateways.Chatty).exchange(get(path, method=method))
    assert answer.endswith(b"\r\n\r\n") and b"content" not in answer


def test_a_simple_response_to_head_is_a_head(serve):
    answer = by_hand(serve, Gateways.Simple).exchange(get(method="HEAD"))
    assert answer.startswith(b"HTTP/1.1 404 ") and answer.endswith(b"\r\n\r\n") and b"\r\nDate: " in answer


def test_a_stop_without_a_limit_waits_and_ends(serve):
    served = serve(app_of(), shutdown_timeout=-1)
    assert served.get().content == b"hello"
    served.stop()


def test_who_finds_no_room_sees_the_end_of_the_connection(serve):
    served = serve(app_of(), max_connections=1)
    with served.connect() as first, served.connect() as second:
        first.sendall(get(close=False))
        assert first.recv(100).startswith(b"HTTP/1.1 200 ")
        assert receive_all(second).startswith(b"HTTP/1.1 503 ")


# ---- readers


def test_readers_end_whatever_they_read():
    for broken in (b"FFFFFFFFFFFFFFFF\r\nabc", b"7FFFFFFFFFFFFFFF\r\nabc\r\n", b"5\r\nabc"):
        with pytest.raises(OSError):
            wsgiserver.ChunkedRFile(io.BytesIO(broken), 0).read()
    with pytest.raises(ValueError):
        wsgiserver.KnownLengthRFile(io.BytesIO(b"abc"), -1)


def test_lines_of_one_large_chunk_take_no_longer_than_their_octets():
    lines = 400_000
    content = b"%x\r\n%s\r\n0\r\n\r\n" % (2 * lines, b"a\n" * lines)
    assert sum(1 for _ in wsgiserver.ChunkedRFile(io.BytesIO(content), 0)) == lines
