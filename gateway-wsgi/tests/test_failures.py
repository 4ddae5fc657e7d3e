"""What goes wrong in an application, and what has to be tidied up then."""

import socket
import struct
import time

from conftest import Closing, app_of, get, until


def test_close_is_called_once_however_it_ends(serve):
    cases = {
        "normal": ([b"a", b"b"], "GET", True),
        "empty": ([], "GET", True),
        "raises at once": ([ValueError("oops")], "GET", True),
        "raises later": ([b"a", ValueError("oops")], "GET", True),
        "wrong type": (["text"], "GET", True),
        "HEAD": ([b"a", b"b"], "HEAD", True),
        "never started": ([b"a"], "GET", False),
    }
    for name, (pieces, method, started) in cases.items():
        closing = Closing(pieces)

        def app(environ, start_response):
            if started:
                start_response("200 OK", [])
            return closing

        serve(app).exchange(get(method=method))
        until(lambda: closing.closed)
        assert closing.closed == 1, name


def test_close_that_raises_is_logged(serve):
    class Failing(Closing):
        def close(self):
            raise KeyError("in close")

    served = serve(app_of(headers=[("Content-Length", "1")], content=Failing([b"a"])))
    with served.connect() as client:
        client.sendall(get())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert served.log_has("in close")


def test_iteration_stops_when_the_client_has_gone(serve):
    closing = Closing((lambda: (time.sleep(0.02), b"x" * 1024)[1]) for _ in range(10**6))
    served = serve(app_of(content=closing))
    with served.connect() as client:
        client.sendall(get())
        client.recv(1000)
    until(lambda: closing.closed == 1)
    assert not served.logged


def test_empty_pieces_do_not_hide_that_the_client_has_gone(serve):
    closing = Closing((lambda: (time.sleep(0.05), b"")[1]) for _ in range(10**6))
    served = serve(app_of(content=closing))
    client = served.connect()
    client.sendall(get())
    until(lambda: closing.asked > 2)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    until(lambda: closing.closed == 1)


def test_an_application_that_raises_is_a_500_with_a_traceback_in_the_log(serve):
    def app(environ, start_response):
        raise ZeroDivisionError("in the application")

    served = serve(app)
    assert served.get().status == 500
    assert served.log_has("ZeroDivisionError: in the application")
    assert served.log_has("Traceback (most recent call last)")


def test_raising_before_the_first_octet_is_a_500(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        yield b""
        raise ValueError("late")

    assert serve(app).get().status == 500


def test_raising_after_the_first_octet_cuts_the_answer(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"begun"
        raise ValueError("late")

    served = serve(app)
    raw = served.exchange(get(close=False))
    assert b"begun" in raw and not raw.endswith(b"0\r\n\r\n")
    assert served.log_has("ValueError: late")


def test_no_start_response_is_a_500(serve):
    for content in ([b"hello"], [], iter([b"hello"]), iter([])):
        served = serve(lambda e, s: content)
        assert served.get().status == 500
        assert served.log_has("start_response")


def test_wrong_types_of_content(serve):
    for content in (["text"], [b"a", 1], iter(["text"]), 5, None, "text", [bytearray(b"x")]):
        served = serve(app_of(content=content))
        assert served.get().status == 500
        assert served.log_has("TypeError")


def test_bytes_as_the_iterable_are_an_error_not_numbers(serve):
    served = serve(app_of(content=b"hello"))
    assert served.get().status == 500


def test_the_server_lives_after_all_that(serve):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/bad":
            raise RuntimeError
        start_response("200 OK", [])
        return [b"fine"]

    served = serve(app, numthreads=2, maxthreads=2)
    for _ in range(20):
        assert served.get("/bad").status == 500
    assert served.get("/").content == b"fine"


def test_large_answers(serve):
    content = bytes(range(256)) * 20_000
    answer = serve(app_of(content=[content])).get()
    assert answer.content == content
    answer = serve(app_of(content=iter([content, content]))).get()
    assert answer.content == content * 2
