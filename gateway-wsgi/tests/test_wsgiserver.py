"""The names of CherryPy's ``wsgiserver``: they are there, with their arguments, and do what they did."""

import inspect
import io

import pytest
from cherrystone import wsgiserver
from conftest import get, until

#: The public names of the original, and the attributes and methods that its documentation lists.
NAMES = {
    "HTTPRequest": "chunked_write close_connection conn inheaders outheaders parse_request parse_request_uri read_request_headers "
    "ready respond send_headers server simple_response write",
    "HTTPConnection": "RequestHandlerClass close communicate",
    "HTTPServer": "ConnectionClass bind bind_addr gateway interrupt max_request_body_size max_request_header_size maxthreads minthreads "
    "nodelay protocol ready request_queue_size server_name shutdown_timeout software ssl_adapter start stop tick timeout version",
    "SizeCheckWrapper": "close next read readline readlines",
    "KnownLengthRFile": "close next read readline readlines",
    "ChunkedRFile": "close next read readline readlines",
    "CP_fileobject": "sendall",
    "MaxSizeExceeded": "",
    "NoSSLError": "",
    "FatalSSLAlert": "",
    "WorkerThread": "conn ready server",
    "ThreadPool": "get grow idle put shrink start stop",
    "SSLAdapter": "bind get_environ wrap",
    "CherryPyWSGIServer": "wsgi_version numthreads",
    "Gateway": "respond",
    "WSGIGateway": "get_environ respond start_response write",
    "WSGIGateway_10": "get_environ",
    "WSGIGateway_u0": "get_environ",
    "WSGIPathInfoDispatcher": "__call__",
}

#: The arguments of the original, and the values that they have when they are left out.
ARGUMENTS = {
    "HTTPRequest": {"server": ..., "conn": ...},
    "HTTPConnection": {"server": ..., "sock": ..., "makefile": None},
    "HTTPServer": {"bind_addr": ..., "gateway": ..., "minthreads": 10, "maxthreads": -1, "server_name": None},
    "SizeCheckWrapper": {"rfile": ..., "maxlen": ...},
    "KnownLengthRFile": {"rfile": ..., "content_length": ...},
    "ChunkedRFile": {"rfile": ..., "maxlen": ..., "bufsize": 8192},
    "CP_fileobject": {},
    "WorkerThread": {"server": ...},
    "ThreadPool": {"server": ..., "min": 10, "max": -1},
    "SSLAdapter": {"certificate": ..., "private_key": ..., "certificate_chain": None},
    # The original's backlog of 5 lost connections under load; 1,024 is on purpose.
    "CherryPyWSGIServer": {"bind_addr": ..., "wsgi_app": ..., "numthreads": 10, "server_name": None, "max": -1,
                           "request_queue_size": 1024, "timeout": 10, "shutdown_timeout": 5},
    "Gateway": {"req": ...},
    "WSGIGateway": {"req": ...},
    "WSGIPathInfoDispatcher": {"apps": ...},
}

DEFAULTS = {
    "max_request_header_size": 0, "max_request_body_size": 0, "nodelay": True, "protocol": "HTTP/1.1", "ready": False,
    "shutdown_timeout": 5, "ssl_adapter": None, "timeout": 10, "minthreads": None, "maxthreads": None,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name):
    thing = getattr(wsgiserver, name)
    assert name in wsgiserver.__all__ and inspect.getdoc(thing)
    instance = thing(None, None) if name in ("HTTPRequest",) else thing(None) if name in ("WorkerThread", "ThreadPool") else thing
    missing = [attribute for attribute in NAMES[name].split() if not hasattr(instance, attribute)]
    assert not missing


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_those_of_the_original(name):
    parameters = list(inspect.signature(getattr(wsgiserver, name)).parameters.values())
    for parameter, (expected, default) in zip(parameters, ARGUMENTS[name].items()):
        assert parameter.name == expected
        assert parameter.default == (inspect.Parameter.empty if default is ... else default), (name, expected)


def test_attributes_have_the_values_of_the_original():
    for name, value in DEFAULTS.items():
        assert getattr(wsgiserver.HTTPServer, name) == value, name
    assert wsgiserver.HTTPServer.ConnectionClass is wsgiserver.HTTPConnection
    assert wsgiserver.HTTPConnection.RequestHandlerClass is wsgiserver.HTTPRequest


# ---- the examples of the original's documentation


def my_crazy_app(environ, start_response):
    status = "200 OK"
    response_headers = [("Content-type", "text/plain")]
    start_response(status, response_headers)
    return [b"Hello world!"]


def test_the_first_example(serve):
    def make(address, application, numthreads, server_name):
        return wsgiserver.CherryPyWSGIServer(address, application, server_name="www.cherrypy.example")

    served = serve(my_crazy_app, server_class=make)
    answer = served.get()
    assert (answer.status, answer.content, answer.getheader("Content-type")) == (200, b"Hello world!", "text/plain")


def test_the_example_of_the_dispatcher(serve):
    def my_blog_app(environ, start_response):
        start_response("200 OK", [])
        return [b"blog"]

    d = wsgiserver.WSGIPathInfoDispatcher({"/": my_crazy_app, "/blog": my_blog_app})
    served = serve(d)
    assert (served.get("/").content, served.get("/blog/1").content) == (b"Hello world!", b"blog")


# ---- gateways written in Python


class Plain(wsgiserver.Gateway):
    """Answers by the request object alone."""

    def respond(self):
        req = self.req
        if req.path == b"/simple":
            return req.simple_response("404 Not Found", "nothing here")
        if req.path == b"/nothing":
            return None
        if req.path == b"/close":
            req.close_connection = True
        content = req.rfile.read()
        parts = [req.method, req.uri, req.path, req.qs, req.scheme, req.request_protocol, req.inheaders.get(b"X-Test", b"-"), content]
        req.status = b"200 OK"
        req.outheaders = [(b"Content-Type", b"text/plain"), (b"X-Mine", b"1")]
        if req.path == b"/hop":
            req.outheaders += [(b"Connection", b"close"), (b"Transfer-Encoding", b"chunked")]
        req.send_headers()
        assert req.sent_headers
        for part in parts:
            req.write(part + b"\n")


def http_server(serve, gateway, **attributes):
    def make(address, application, numthreads, server_name):
        return wsgiserver.HTTPServer(address, gateway, server_name=server_name)

    return serve(None, server_class=make, **attributes)


def test_a_gateway_by_hand(serve):
    served = http_server(serve, Plain)
    answer = served.request("POST", "/a%20b?q", body=b"content", headers={"x-test": "t"})
    assert answer.content.split(b"\n")[:-1] == [
        b"POST", b"/a%20b?q", b"/a b", b"q", b"http", b"HTTP/1.1", b"t", b"content",
    ]  # fmt: skip
    assert answer.getheader("X-Mine") == "1" and answer.getheader("Transfer-Encoding") == "chunked"


def test_a_simple_response(serve):
    answer = http_server(serve, Plain).get("/simple")
    assert (answer.status, answer.content, answer.getheader("Content-Type")) == (404, b"nothing here", "text/plain")


def test_a_gateway_that_answers_nothing_is_a_500(serve):
    served = http_server(serve, Plain)
    assert served.get("/nothing").status == 500


def test_closing_from_a_gateway(serve):
    served = http_server(serve, Plain)
    for path in ("/close", "/hop"):
        raw = served.exchange(get(path, close=False))
        assert b"Connection: close" in raw and raw.count(b"Transfer-Encoding") == 1


def test_classes_may_be_replaced(serve):
    class Request(wsgiserver.HTTPRequest):
        def parse_request(self):
            self.inheaders[b"X-Test"] = b"from the class"
            return super().parse_request()

    class Connection(wsgiserver.HTTPConnection):
        RequestHandlerClass = Request

        def communicate(self):
            assert self.remote_addr == "127.0.0.1" and self.remote_port
            return super().communicate()

    served = http_server(serve, Plain, ConnectionClass=Connection)
    assert b"from the class" in served.get().content


def test_a_gateway_that_raises(serve):
    class Failing(wsgiserver.Gateway):
        def respond(self):
            raise LookupError("in the gateway")

    served = http_server(serve, Failing)
    assert served.get().status == 500 and served.log_has("LookupError: in the gateway")
    served = http_server(serve, wsgiserver.Gateway)
    assert served.get().status == 500 and served.log_has("NotImplementedError")


def test_request_targets():
    parse = wsgiserver.HTTPRequest(None, None).parse_request_uri
    assert parse(b"/a?b") == (None, None, b"/a?b")
    assert parse(b"*") == (None, None, b"*")
    assert parse(b"//a/b") == (None, None, b"//a/b")
    assert parse(b"http://h:1/p?q") == (b"http", b"h:1", b"/p?q")
    assert parse(b"http://h?q") == (b"http", b"h", b"/?q")
    assert parse(b"h:443") == (None, b"h:443", b"")


# ---- the pool


def test_sizes_of_the_pool():
    pool = wsgiserver.ThreadPool
    for good in ((1, 1), (1, -1), (5, 5), (2, 100), (1, -5)):
        assert (pool(None, *good).min, pool(None, *good).max) == good
    for bad, error in (((0, 1), ValueError), ((-1, -1), ValueError), ((1, 0), ValueError), ((5, 4), ValueError),
                       ((1, float("inf")), TypeError), ((1, "a"), TypeError)):
        with pytest.raises(error):
            pool(None, *bad)


def test_the_pool_of_a_server(serve):
    served = serve(my_crazy_app, numthreads=3)
    pool = served.server.requests
    assert served.server.numthreads == pool.min == 3
    assert served.get().content and 1 <= pool.idle <= 100
    with pytest.raises(NotImplementedError):
        pool.put(object())
    assert (pool.start(), pool.get(), pool.stop()) == (None,) * 3


def test_the_pool_grows_and_shrinks_when_told_to(serve):
    served = serve(my_crazy_app, numthreads=3, maxthreads=6)
    pool, threads = served.server.requests, lambda: served.server.stats["Threads"]
    until(lambda: threads() == 3)
    assert pool.grow(2) is None
    until(lambda: (threads(), pool.idle) == (5, 5))
    pool.grow(100)
    until(lambda: threads() == 6)
    pool.shrink(2)
    until(lambda: threads() == 4)
    pool.shrink(100)
    until(lambda: threads() == 3)
    assert served.get().content
    served.stop()
    pool.grow(1)
    pool.shrink(1)


# ---- readers


def test_known_length():
    text = b"one\ntwo\nthree, four"
    make = lambda: wsgiserver.KnownLengthRFile(io.BytesIO(text + b"next request"), len(text))
    whole = io.BytesIO(text)
    assert make().read() == text and list(make()) == list(io.BytesIO(text))
    reader = make()
    for read in (lambda f: f.read(2), lambda f: f.readline(1), lambda f: f.readline(), lambda f: f.readlines(), lambda f: f.read(5)):
        assert read(reader) == read(whole)
    short = wsgiserver.KnownLengthRFile(io.BytesIO(b"abc"), 10)
    assert short.read(3) == b"abc"
    with pytest.raises(OSError):
        short.read(3)


def test_chunked():
    encoded = b"4;x=y\r\none\n\r\n6\r\n\ntwo, \r\n3\r\nend\r\n0\r\nX-Sum: 1\r\n\r\nnext"
    plain = b"one\n\ntwo, end"
    make = lambda maxlen=0: wsgiserver.ChunkedRFile(io.BytesIO(encoded), maxlen)
    assert make().read() == plain and list(make()) == list(io.BytesIO(plain))
    reader, whole = make(), io.BytesIO(plain)
    for read in (lambda f: f.read(2), lambda f: f.readline(1), lambda f: f.readline(), lambda f: f.readline(), lambda f: f.readlines()):
        assert read(reader) == read(whole)
    assert list(reader.read_trailer_lines()) == [b"X-Sum: 1\r\n"]
    assert reader.rfile.read() == b"next"
    with pytest.raises(wsgiserver.MaxSizeExceeded):
        make(10).read()
    for broken in (b"0x3\r\nabc\r\n", b"+3\r\nabc\r\n", b"3 3\r\nabc", b"-1\r\n", b"3\nabc\r\n", b"3\r\nabcd\r\n", b"\r\n", b"3\r\nab"):
        with pytest.raises(OSError):
            wsgiserver.ChunkedRFile(io.BytesIO(broken), 0).read()


def test_size_check():
    make = lambda maxlen: wsgiserver.SizeCheckWrapper(io.BytesIO(b"a" * 300 + b"\nb\nc"), maxlen)
    assert make(0).read() == make(304).read() and make(0).readlines() == [b"a" * 300 + b"\n", b"b\n", b"c"]
    reader = make(302)
    assert reader.readline() == b"a" * 300 + b"\n"
    with pytest.raises(wsgiserver.MaxSizeExceeded):
        reader.read()
    with pytest.raises(wsgiserver.MaxSizeExceeded):
        make(10).readline()
    reader.close()
    assert reader.rfile.closed


def test_sockets_as_files():
    import socket

    left, right = socket.socketpair()
    file = wsgiserver.CP_fileobject(left)
    right.sendall(b"line\n")
    assert file.readline() == b"line\n"
    file.sendall(b"back")
    assert right.recv(10) == b"back"
    file.close()
    left.close()
    right.close()


def test_adapters():
    adapter = wsgiserver.get_ssl_adapter_class("builtin")("cert", "key", "chain")
    assert isinstance(adapter, wsgiserver.SSLAdapter)
    assert (adapter.certificate, adapter.private_key, adapter.certificate_chain) == ("cert", "key", "chain")
    assert adapter.bind("socket") == "socket" and adapter.get_environ() == {}
    with pytest.raises(NotImplementedError):
        adapter.wrap(None)
