"""What an application is told of a request."""

import os

import pytest
from conftest import ask, get, showing


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


def test_only_what_came_is_there(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [repr(sorted(key for key, value in environ.items() if key.startswith("HTTP_") or value is None)).encode()]

    served = serve(app)
    assert ask(served, b"GET / HTTP/1.0\r\n\r\n") == []
    assert ask(served, b"GET / HTTP/1.0\r\nX: y\r\n\r\n") == ["HTTP_X"]
    assert ask(served, get()) == ["HTTP_CONNECTION", "HTTP_HOST"]


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
