"""The validator of the standard library around a broad application, and gateways of one's own."""

import wsgiref.validate

from cherrystone import wsgi
from conftest import ask, get, showing


def broad(environ, start_response):
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    text = [("Content-Type", "text/plain")]
    if path == "/echo":
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [*text, ("Content-Length", str(len(content)))])
        return [content]
    if path == "/lines":
        lines = [environ["wsgi.input"].readline(), *environ["wsgi.input"].readlines(), *environ["wsgi.input"]]
        start_response("200 OK", text)
        return iter(lines)
    if path == "/write":
        write = start_response("200 OK", text)
        write(b"written ")
        return [b"returned"]
    if path == "/error":
        import sys

        start_response("200 OK", text)
        try:
            raise ValueError
        except ValueError:
            start_response("500 Failed", text, sys.exc_info())
        return [b"failed"]
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/generator":
        start_response("200 OK", text)
        return (b"piece" for _ in range(10))
    if path == "/log":
        environ["wsgi.errors"].write("logged\n")
        environ["wsgi.errors"].flush()
    start_response("200 OK", [*text, ("Content-Length", "2")])
    return [b"ok"] if method != "HEAD" else []


def test_the_validator_finds_nothing(serve, recwarn):
    served = serve(wsgiref.validate.validator(broad))
    assert served.request("POST", "/echo", body=b"hello").content == b"hello"
    assert served.request("POST", "/echo", body=b"h" * 100_000).content == b"h" * 100_000
    assert served.request("POST", "/lines", body=b"a\nb\nc").content == b"a\nb\nc"
    assert served.request("POST", "/lines", body=iter([b"a\nb", b"\nc"]), encode_chunked=True,
                          headers={"Transfer-Encoding": "chunked"}).content == b"a\nb\nc"
    assert served.get("/write").content == b"written returned"
    assert (served.get("/error").status, served.get("/error").content) == (500, b"failed")
    assert served.get("/empty").status == 204
    assert served.get("/generator").content == b"piece" * 10
    assert served.get("/log").content == b"ok"
    assert served.get("/a%20path?with=query", Cookie="a=b").content == b"ok"
    assert served.request("HEAD", "/").content == b""
    assert ask_all(served)
    assert not served.logged
    assert not [warning for warning in recwarn if issubclass(warning.category, wsgiref.validate.WSGIWarning)]


def ask_all(served):
    return served.exchange(get("*", method="OPTIONS")).endswith(b"ok") and served.exchange(b"GET / HTTP/1.0\r\n\r\n").endswith(b"ok")


# ---- the dispatcher and other gateways


def named(name):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [f"{name} {environ['SCRIPT_NAME']!r} {environ['PATH_INFO']!r}".encode()]

    return app


def test_the_dispatcher(serve):
    apps = {"/": named("root"), "/blog": named("blog"), "/blog/admin/": named("admin")}
    for given in (apps, list(apps.items())):
        served = serve(wsgi.PathInfoDispatcher(given))
        for path, expected in {
            "/": "root '' '/'",
            "/blog": "blog '/blog' ''",
            "/blog/": "blog '/blog' '/'",
            "/blogger": "root '' '/blogger'",
            "/blog/admin/x": "admin '/blog/admin' '/x'",
            "/Blog": "root '' '/Blog'",
        }.items():
            assert served.get(path).content == expected.encode()
    answer = serve(wsgi.PathInfoDispatcher({"/blog": named("blog")})).get("/other")
    assert (answer.status, answer.content, answer.getheader("Content-Length")) == (404, b"", "0")


def test_the_dispatcher_leaves_the_environment_alone():
    environ = {"PATH_INFO": "/blog/x"}
    result = wsgi.PathInfoDispatcher([("/blog", named("blog"))])(environ, lambda status, headers: None)
    assert result == [b"blog '/blog' '/x'"] and environ == {"PATH_INFO": "/blog/x"}


def test_an_environment_of_decoded_text(serve):
    class Server(wsgi.Server):
        wsgi_version = ("u", 0)

    keys = ("wsgi.version", "wsgi.url_encoding", "PATH_INFO", "QUERY_STRING")
    served = serve(showing(*keys), server_class=Server)
    assert ask(served, get("/%E2%82%AC?a=b")) == [("u", 0), "utf-8", "/\u20ac", "a=b"]
    assert ask(served, get("/%ff")) == [("u", 0), "ISO-8859-1", "/\xff", ""]


def test_gateways_of_ones_own(serve):
    class Gateway(wsgi.WSGIGateway_10):
        def get_environ(self):
            environ = super().get_environ()
            environ["mine"] = "yes"
            return environ

        def start_response(self, status, headers, exc_info=None):
            return super().start_response(status, [*headers, ("X-Gateway", "mine")], exc_info)

    served = serve(wsgiref.validate.validator(broad), gateway=Gateway)
    answer = served.get("/generator")
    assert (answer.content, answer.getheader("X-Gateway")) == (b"piece" * 10, "mine")
    assert served.get("/error").status == 500
    assert served.get("/write").content == b"written returned"
    assert not served.logged
    served = serve(showing("mine"), gateway=Gateway)
    assert ask(served, get()) == ["yes"]
