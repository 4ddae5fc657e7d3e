"""What an application is told of a request."""

import io
import os
import threading
import wsgiref.validate

import pytest
from conftest import get

from cherrystone import wsgi


def showing(*keys):
    """An application that answers with some of its environment."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr([environ.get(key) for key in keys]).encode()]

    return app


def ask(served, request):
    return eval(served.exchange(request).partition(b"\r\n\r\n")[2])


def test_everything_that_pep_3333_names_is_there(serve):
    kept = []
    served = serve(lambda e, s: (kept.append(e), s("200 OK", []), [b""])[2])
    served.exchange(get("/a%20b/c?q=1&r=%20", "User-Agent: test", "Accept: */*"))
    environ = kept[0]
    assert type(environ) is dict
    expected = {
        "ACTUAL_SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_ACCEPT": "*/*",
        "HTTP_CONNECTION": "close",
        "HTTP_HOST": "h",
        "HTTP_USER_AGENT": "test",
        "PATH_INFO": "/a b/c",
        "QUERY_STRING": "q=1&r=%20",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/a%20b/c?q=1&r=%20",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "test.example",
        "SERVER_PORT": str(served.address[1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": served.server.software,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": False,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
    }
    assert {key: environ.get(key) for key in expected} == expected
    assert environ["REMOTE_PORT"].isdigit()
    others = {"REMOTE_PORT", "wsgi.input", "wsgi.errors", "wsgi.file_wrapper", "wsgi.early_hints", "cherrystone.exchange"}
    assert set(environ) == set(expected) | others
    assert not set(environ) & set(os.environ)
    for key, value in environ.items():
        if key.isupper():
            assert type(value) is str


def test_environments_are_independent(serve):
    seen = []

    def app(environ, start_response):
        seen.append("mark" in environ or environ["SCRIPT_NAME"])
        environ["mark"] = environ["SCRIPT_NAME"] = "x"
        start_response("200 OK", [])
        return [b""]

    served = serve(app)
    served.exchange(get(close=False) + get())
    assert seen == ["", ""]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/?", "/", ""),
        ("/a?b?c=d&e", "/a", "b?c=d&e"),
        ("//a//b?c", "//a//b", "c"),
        ("/a;p=1/../b", "/a;p=1/../b", ""),
        ("/%41%2f%2F%25", "/A%2F%2F%", ""),
        ("/%E2%80%8E?q=%E4%B8%AD", "/\xe2\x80\x8e", "q=%E4%B8%AD"),
        ("/%ff", "/\xff", ""),
        ("http://other.example/p?q", "/p", "q"),
        ("http://other.example", "/", ""),
    ],
)
def test_paths_and_queries(serve, target, path, query):
    served = serve(showing("PATH_INFO", "QUERY_STRING", "REQUEST_URI", "SCRIPT_NAME"))
    host = "Host: other.example" if target.startswith("http") else "Host: h"
    request = f"GET {target} HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n".encode()
    assert ask(served, request) == [path, query, target, ""]


def test_a_query_with_raw_octets_is_refused_or_carried(serve):
    served = serve(showing("QUERY_STRING"))
    raw = served.exchange(b"GET /?q=\xe4\xb8\xad HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 400 ") or b"q=\\xe4\\xb8\\xad" in raw


def test_options_of_the_server_itself(serve):
    served = serve(showing("REQUEST_METHOD", "PATH_INFO", "REQUEST_URI"))
    assert ask(served, get("*", method="OPTIONS")) == ["OPTIONS", "/*", "*"]


def test_connect_is_not_for_applications(serve):
    served = serve(showing("PATH_INFO"))
    raw = served.exchange(b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nConnection: close\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: \r\n" in raw


def test_methods_are_passed_as_they_are(serve):
    served = serve(showing("REQUEST_METHOD"))
    for method in ("GET", "POST", "PATCH", "PROPFIND", "get", "X-!ODD"):
        assert ask(served, get(method=method)) == [method]


def test_protocol_of_the_request(serve):
    served = serve(showing("SERVER_PROTOCOL", "ACTUAL_SERVER_PROTOCOL"))
    assert ask(served, b"GET / HTTP/1.0\r\n\r\n") == ["HTTP/1.0", "HTTP/1.1"]
    assert ask(served, get()) == ["HTTP/1.1", "HTTP/1.1"]


def test_lines_of_one_field_are_joined(serve):
    served = serve(showing("HTTP_COOKIE", "HTTP_ACCEPT", "HTTP_X_FORWARDED_FOR", "HTTP_X_ODD"))
    lines = ["Cookie: a=1", "X-Odd: 1", "Accept: a", "cookie: b=2", "ACCEPT: b", "X-ODD: 2", "COOKIE: c=3", "x-odd: "]
    assert ask(served, get("/", *lines)) == ["a=1; b=2; c=3", "a, b", None, "1, 2, "]


def test_underscores_cannot_pass_for_dashes(serve):
    served = serve(showing("HTTP_X_FORWARDED_FOR", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH", "CONTENT_TYPE"))
    twins = ["X-Forwarded-For: 1", "X_Forwarded_For: 2"]
    for lines in (twins, twins[::-1]):
        assert ask(served, get("/", *lines))[0] == "1"
    assert ask(served, get("/", twins[1], "Content_Length: 9", "Content_Type: x")) == [None] * 4


def test_content_type_and_length_have_their_own_names(serve):
    served = serve(showing("CONTENT_TYPE", "HTTP_CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"))
    request = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\ncontent-type: a/b\r\nContent-Length: 02\r\n\r\nxy"
    assert ask(served, request) == ["a/b", None, "2", None]


def test_values_carry_octets(serve):
    served = serve(showing("HTTP_X_TEXT", "HTTP_X_A_VERY_LONG_NAME_THAT_NOBODY_WOULD_EVER_THINK_OF_USING"))
    name = "X-A-Very-Long-Name-That-Nobody-Would-Ever-Think-Of-Using"
    assert ask(served, get("/", "X-Text: caf\xe9 \xff", f"{name}: v")) == ["caf\xe9 \xff", "v"]


def test_errors_go_to_standard_error(serve, capfd):
    def app(environ, start_response):
        errors = environ["wsgi.errors"]
        errors.write("one\n")
        errors.writelines(["two\n", "three \u20ac\n"])
        errors.flush()
        start_response("200 OK", [])
        return [b""]

    serve(app).get()
    assert "one\ntwo\nthree \u20ac\n" in capfd.readouterr().err


def test_unix_sockets(serve, tmp_path):
    served = serve(
        showing("REMOTE_ADDR", "REMOTE_PORT", "SERVER_PORT", "X_REMOTE_PID", "X_REMOTE_UID", "X_REMOTE_GID", "REMOTE_USER"),
        str(tmp_path / "s"),
        peercreds_enabled=True,
    )
    assert served.address == str(tmp_path / "s")
    assert ask(served, get()) == ["", "", "80", str(os.getpid()), str(os.getuid()), str(os.getgid()), None]


def test_names_of_peers(serve, tmp_path):
    import grp
    import pwd

    keys = ("X_REMOTE_USER", "REMOTE_USER", "X_REMOTE_GROUP")
    served = serve(showing(*keys), str(tmp_path / "s"), peercreds_enabled=True, peercreds_resolve_enabled=True)
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    assert ask(served, get()) == [user, user, group]


def test_abstract_sockets(serve):
    served = serve(showing("SERVER_PORT"), f"\0cherrystone-test-{os.getpid()}")
    assert served.address.startswith("\0")
    assert ask(served, get()) == ["80"]


# ---- the file wrapper


class Recording(io.BytesIO):
    closings = 0

    def close(self):
        self.closings += 1
        super().close()


def file_app(make, headers=(), **options):
    def app(environ, start_response):
        start_response("200 OK", list(headers))
        return environ["wsgi.file_wrapper"](make(), *options.get("arguments", ()))

    return app


def test_files(serve, tmp_path):
    content = os.urandom(300_000)
    path = tmp_path / "file"
    path.write_bytes(content)
    opened = []

    def opening(at, **options):
        def make():
            file = open(path, "rb", **options)
            file.seek(at)
            opened.append(file)
            return file

        return make

    for at in (0, 1, 299_999, 300_000, 400_000):
        for options in ({}, {"buffering": 0}):
            answer = serve(file_app(opening(at, **options))).get()
            assert answer.content == content[at:] and answer.getheader("Content-Length") == str(len(content[at:]))
    served = serve(file_app(opening(10), [("Content-Length", "20")]))
    assert served.get().content == content[10:30]
    raw = served.exchange(get(method="HEAD"))
    assert b"Content-Length: 20\r\n" in raw and raw.endswith(b"\r\n\r\n")
    raw = serve(file_app(opening(0))).exchange(get(method="HEAD"))
    assert b"Content-Length: 300000\r\n" in raw and raw.endswith(b"\r\n\r\n")
    served = serve(file_app(opening(0), [("Content-Length", "300001")]))
    assert served.exchange(get(close=False)).endswith(content[-100:])
    assert served.log_has("1 octets less")
    assert opened and all(file.closed for file in opened)


def test_a_position_behind_buffered_reads(serve, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    def make():
        file = open(path, "rb")
        assert file.read(3) == b"012"
        return file

    assert serve(file_app(make)).get().content == b"3456789"


def test_file_like_objects(serve, tmp_path):
    import gzip

    file = Recording(b"x" * 200_000)
    assert serve(file_app(lambda: file)).get().content == b"x" * 200_000
    assert file.closings == 1

    path = tmp_path / "file.gz"
    with gzip.open(path, "wb") as packed:
        packed.write(b"unpacked" * 1000)
    assert serve(file_app(lambda: gzip.open(path))).get().content == b"unpacked" * 1000

    class ReadOnly:
        """Has nothing but ``read``."""

        def __init__(self):
            self.left = [b"a", b"b"]
            self.sizes = []

        def read(self, size):
            self.sizes.append(size)
            return self.left.pop(0) if self.left else b""

    file = ReadOnly()
    assert serve(file_app(lambda: file, arguments=(7,))).get().content == b"ab"
    assert set(file.sizes) == {7}


def test_a_pipe_in_the_wrapper(serve):
    def make():
        reading, writing = os.pipe()
        os.write(writing, b"from a pipe")
        os.close(writing)
        return open(reading, "rb")

    assert serve(file_app(make)).get().content == b"from a pipe"


def test_a_wrapper_inside_middleware_is_an_iterable(serve, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"z" * 100_000)

    def app(environ, start_response):
        start_response("200 OK", [])
        with open(path, "rb") as file:
            for piece in environ["wsgi.file_wrapper"](file, 1000):
                yield piece.upper()

    assert serve(app).get().content == b"Z" * 100_000


def test_a_wrapped_file_for_a_status_without_content(serve, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"z" * 1000)
    for status in ("204 No Content", "304 Not Modified"):

        def app(environ, start_response):
            start_response(status, [])
            return environ["wsgi.file_wrapper"](open(path, "rb"))

        raw = serve(app).exchange(get(close=False) + get())
        assert raw.count(b"HTTP/1.1 ") == 2 and b"zz" not in raw


# ---- the validator of the standard library around a broad application


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


# ---- threads and Python


def test_threads_keep_what_is_local_to_them(serve):
    local = threading.local()

    def app(environ, start_response):
        local.count = getattr(local, "count", 0) + 1
        start_response("200 OK", [])
        return [str(local.count).encode()]

    served = serve(app, numthreads=1)
    assert [served.get().content for _ in range(3)] == [b"1", b"2", b"3"]


def test_python_runs_on_while_clients_stall(serve):
    import time

    def app(environ, start_response):
        start_response("200 OK", [])
        if environ["REQUEST_METHOD"] == "POST":
            return [str(len(environ["wsgi.input"].read())).encode()]
        return iter([b"x" * (1 << 22)] * 4)

    def speed():
        count, end = 0, time.perf_counter() + 0.3
        while time.perf_counter() < end:
            count += 1
        return count

    served = serve(app, numthreads=4, timeout=8)
    before = max(speed() for _ in range(3))
    clients = []
    for number in range(32):
        client = served.connect()
        if number % 2:
            client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nsome")
        else:
            client.sendall(get())
        clients.append(client)
    time.sleep(0.3)
    during = max(speed() for _ in range(3))
    for client in clients:
        client.close()
    assert during > before * 0.5, (before, during)


def test_a_request_may_use_threads_and_processes(serve):
    import subprocess
    import sys

    def app(environ, start_response):
        results = []
        threads = [threading.Thread(target=lambda: results.append(b"t")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results.append(subprocess.run([sys.executable, "-c", "print('p', end='')"], stdout=subprocess.PIPE).stdout)
        start_response("200 OK", [])
        return results

    assert serve(app).get().content == b"ttttp"


def test_many_requests_over_many_connections(serve):
    served = serve(showing("PATH_INFO"), numthreads=8)
    failures = []

    def client(number):
        import http.client

        connection = http.client.HTTPConnection(*served.address, timeout=20)
        for turn in range(20):
            connection.request("GET", f"/{number}/{turn}")
            if connection.getresponse().read() != repr([f"/{number}/{turn}"]).encode():
                failures.append((number, turn))
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and not served.logged


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


