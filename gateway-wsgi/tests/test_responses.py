"""What applications may answer: PEP 3333 from ``start_response`` to the last octet."""

import sys
import threading

import pytest
from conftest import Closing, app_of, body, get, until


def test_a_list_of_one_gets_its_length(serve):
    answer = serve(app_of()).get()
    assert (answer.status, answer.content) == (200, b"hello")
    assert answer.getheader("Content-Length") == "5"
    assert answer.getheader("Transfer-Encoding") is None


def test_a_list_or_tuple_of_several_gets_its_length(serve):
    for content in ([b"he", b"", b"llo"], (b"he", b"llo")):
        answer = serve(app_of(content=content)).get()
        assert (answer.content, answer.getheader("Content-Length")) == (b"hello", "5")


def test_an_iterable_without_length_is_chunked_on_http_11_only(serve):
    served = serve(lambda e, s: (s("200 OK", []), iter([b"one", b"two"]))[1])
    answer = served.get()
    assert (answer.content, answer.getheader("Transfer-Encoding")) == (b"onetwo", "chunked")
    raw = served.exchange(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
    assert b"ransfer-" not in raw and raw.endswith(b"\r\n\r\nonetwo")


def test_empty_answers(serve):
    for content in ([], (), [b""], iter([]), iter([b"", b""])):
        answer = serve(app_of(content=content)).get()
        assert (answer.status, answer.content, answer.getheader("Content-Length")) == (200, b"", "0")


def test_the_head_waits_for_the_first_octet(serve):
    def app(environ, start_response):
        def pieces():
            yield b""
            start_response("201 Created", [("X-Late", "yes")])
            yield b""
            yield b"late"

        return pieces()

    answer = serve(app).get()
    assert (answer.status, answer.content, answer.getheader("X-Late")) == (201, b"late", "yes")


def test_each_piece_is_sent_before_the_next_is_asked_for(serve):
    gate = threading.Event()

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"first"
        assert gate.wait(5)
        yield b"second"

    served = serve(app)
    with served.connect() as client:
        client.sendall(get())
        received = b""
        while b"first" not in received:
            received += client.recv(1000)
        assert b"second" not in received
        gate.set()
        while b"second" not in received:
            received += client.recv(1000)


def test_write_comes_before_the_iterable_and_at_once(serve):
    gate = threading.Event()

    def app(environ, start_response):
        write = start_response("200 OK", [])
        assert write(b"written ") is None
        assert gate.wait(5)
        write(b"")
        return [b"returned"]

    served = serve(app)
    with served.connect() as client:
        client.sendall(get())
        received = b""
        while b"written" not in received:
            received += client.recv(1000)
        gate.set()
        while b"0\r\n\r\n" not in received:
            received += client.recv(1000)
    assert b"written" in received and b"returned" in received


def test_write_alone_is_an_answer(serve):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "3")])(b"abc")
        return []

    assert serve(app).get().content == b"abc"


def test_start_response_twice_without_exc_info_is_an_error(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        start_response("200 OK", [])
        return [b"never"]

    served = serve(app)
    assert served.get().status == 500
    assert served.log_has("start_response was called a second time")


def test_arguments_may_be_named(serve):
    def app(environ, start_response):
        start_response(status="200 OK", headers=[("X-Old", "old")])
        start_response("201 Created", [("X-New", "new")], exc_info=(ValueError, ValueError("oops"), None))
        return [b"named"]

    answer = serve(app).get()
    assert (answer.status, answer.content, answer.getheader("X-Old"), answer.getheader("X-New")) == (201, b"named", None, "new")


def test_exc_info_replaces_a_head_that_was_not_sent(serve):
    def app(environ, start_response):
        start_response("200 OK", [("X-Old", "old"), ("Content-Length", "1000")])
        try:
            raise ValueError("oops")
        except ValueError:
            start_response("500 Oops", [("X-New", "new")], sys.exc_info())
        return [b"sorry"]

    answer = serve(app).get()
    assert (answer.status, answer.content) == (500, b"sorry")
    assert answer.getheader("X-Old") is None and answer.getheader("X-New") == "new"
    assert answer.getheader("Content-Length") == "5"


def test_exc_info_raises_once_the_head_was_sent(serve):
    seen = []

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"begun"
        try:
            raise ValueError("oops")
        except ValueError:
            try:
                start_response("500 Oops", [], sys.exc_info())
            except ValueError as error:
                seen.append(error)
                raise

    served = serve(app)
    raw = served.exchange(get(close=False))
    assert b"begun" in raw and not raw.endswith(b"0\r\n\r\n")
    assert [str(error) for error in seen] == ["oops"]
    assert served.log_has("ValueError: oops")


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("200 OK", b"200 OK"),
        ("200 Fine", b"200 Fine"),
        ("200 ok", b"200 ok"),
        ("404 Nowhere to be found, alas", b"404 Nowhere to be found, alas"),
        ("299 Custom", b"299 Custom"),
        ("599 Tr\xe8s mal", b"599 Tr\xe8s mal"),
        ("200", b"200 OK"),
        ("204 ", b"204 No Content"),
        ("299", b"299 "),
        ("204 Gone Quiet", b"204 Gone Quiet"),
        ("304 Same Old", b"304 Same Old"),
    ],
)
def test_the_status_goes_out_in_the_words_of_the_application(serve, status, line):
    for content in ([b"a"], iter([b"a"]), []):
        raw = serve(app_of(status, content=content)).exchange(get())
        assert raw.startswith(b"HTTP/1.1 " + line + b"\r\n")


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        ("200 OK", None, "list"),
        ("200 OK", (("A", "b"),), "list"),
        ("200 OK", [("A", 1)], "two str"),
        ("200 OK", [("A", b"b")], "two str"),
        ("200 OK", [("A", "b", "c")], "two str"),
        ("200 OK", [["A", "b"]], "two str"),
        ("200 OK", [("A b", "c")], "not a header name"),
        ("200 OK", [("A:", "c")], "not a header name"),
        ("200 OK", [("", "c")], "not a header name"),
        ("200 OK", [("A", "b\r\nX: injected")], "control characters"),
        ("200 OK", [("A", "b\nX: injected")], "control characters"),
        ("200 OK", [("A", "b\0")], "control characters"),
        ("200 OK", [("A\r\nX", "injected")], "not a header name"),
        ("200 OK", [("A", "\u20ac")], "latin-1"),
        ("200 OK", [("Content-Length", "-1")], "not a number"),
        ("200 OK", [("Content-Length", "5 ")], "not a number"),
        ("200 OK", [("Content-Length", "5"), ("Content-Length", "6")], "given twice"),
        ("200 OK\r\nX: injected", [], "has to be like"),
        ("200 O\tK", [], "has to be like"),
        ("200OK", [], "has to be like"),
        ("200 \u20ac", [], "latin-1"),
        (b"200 OK", [], "has to be a str"),
        (200, [], "has to be a str"),
        ("OK", [], "has to be like"),
        ("2000 OK", [], "has to be like"),
        ("+20 OK", [], "has to be like"),
        ("100 Continue", [], "between 200 and 599"),
        ("103 Early Hints", [], "between 200 and 599"),
        ("600 Odd", [], "between 200 and 599"),
    ],
)
def test_what_start_response_refuses(serve, status, headers, reason):
    served = serve(app_of(status, headers) if headers is None else lambda e, s: (s(status, headers), [b"never"])[1])
    if headers is None:
        served = serve(lambda e, s: (s(status, None), [b"never"])[1])
    raw = served.exchange(get())
    assert raw.startswith(b"HTTP/1.1 500 ") and b"njected" not in raw and b"never" not in raw
    assert served.log_has(reason)


@pytest.mark.parametrize(
    "name",
    ["Connection", "keep-alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailers", "Transfer-Encoding", "Upgrade"],
)
def test_hop_by_hop_headers_are_refused(serve, name):
    served = serve(app_of(headers=[(name, "x")]))
    assert served.get().status == 500
    assert served.log_has("hop-by-hop")


def test_header_values_are_latin_1_and_repeat(serve):
    served = serve(app_of(headers=[("X-Text", "caf\xe9"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]))
    raw = served.exchange(get())
    assert b"\r\nX-Text: caf\xe9\r\n" in raw
    assert raw.count(b"\r\nSet-Cookie: ") == 2


def test_date_and_server_are_added_unless_given(serve):
    answer = serve(app_of()).get()
    assert answer.getheader("Date") and answer.getheader("Server").startswith("Cherrystone/")
    answer = serve(app_of(headers=[("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Server", "mine")])).get()
    assert answer.headers.get_all("Date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]
    assert answer.headers.get_all("Server") == ["mine"]


def test_the_application_is_called_again_for_each_request_of_a_connection(serve):
    served = serve(app_of())
    with served.connect() as client:
        client.sendall(get(close=False) * 3 + get())
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK") == received.count(b"hello") == 4


# ---- declared length


def test_too_much_content_is_cut_and_logged(serve):
    for content in ([b"hello world"], [b"hello", b" world"], iter([b"hello world"]), iter([b"hel", b"lo w", b"orld"])):
        served = serve(app_of(headers=[("Content-Length", "5")], content=content))
        with served.connect() as client:
            client.sendall(get(close=False))
            received = b""
            while not received.endswith(b"hello"):
                received += client.recv(65536)
            # The connection is in order: the next request is answered.
            client.sendall(get())
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert served.log_has("more content than the Content-Length")


def test_writing_too_much_raises(serve):
    seen = []

    def app(environ, start_response):
        write = start_response("200 OK", [("Content-Length", "5")])
        try:
            write(b"hello world")
        except ValueError as error:
            seen.append(str(error))
        return []

    assert serve(app).get().content == b"hello"
    until(lambda: seen)
    assert "Content-Length" in seen[0]


def test_length_zero_with_content(serve):
    served = serve(app_of(headers=[("Content-Length", "0")]))
    answer = served.get()
    assert (answer.content, answer.getheader("Content-Length")) == (b"", "0")
    assert served.log_has("more content")


def test_too_little_content_closes_and_is_logged(serve):
    for content in ([b"hello"], iter([b"hel", b"lo"]), []):
        served = serve(app_of(headers=[("Content-Length", "9")], content=content))
        raw = served.exchange(get(close=False))
        assert b"Content-Length: 9\r\n" in raw and body(raw) in (b"hello", b"")
        assert served.log_has("octets less than the Content-Length")


# ---- statuses and methods without content


def test_head_has_the_fields_of_get_and_no_content(serve):
    for content in ([b"hello"], iter([b"hello"]), [b"he", b"llo"]):
        served = serve(app_of(headers=[("Content-Length", "5"), ("X-A", "b")], content=content))
        raw = served.exchange(get(method="HEAD", close=False) + get(method="HEAD"))
        assert raw.count(b"Content-Length: 5\r\n") == 2 and b"X-A: b\r\n" in raw and b"hello" not in raw
        assert raw.endswith(b"\r\n\r\n") and not served.logged


def test_head_of_an_application_that_leaves_the_content_out(serve):
    served = serve(app_of(headers=[("Content-Length", "5")], content=[]))
    raw = served.exchange(get(method="HEAD", close=False) + get(method="HEAD"))
    assert raw.count(b"Content-Length: 5\r\n") == 2 and not served.logged
    raw = serve(app_of(content=[])).exchange(get(method="HEAD"))
    assert b"Content-Length: 0" not in raw


def test_head_of_an_endless_answer_ends(serve):
    closing = Closing(lambda: b"x" for _ in range(10**9))
    served = serve(app_of(content=closing))
    raw = served.exchange(get(method="HEAD"))
    assert raw.endswith(b"\r\n\r\n")
    until(lambda: closing.closed == 1)
    assert closing.asked == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "205 Reset Content"])
def test_statuses_without_content(serve, status):
    for content in ([b"hello"], iter([b"hello"]), [], [b"he", b"llo"]):
        served = serve(app_of(status, content=content))
        raw = served.exchange(get(close=False) + get())
        assert raw.count(b"HTTP/1.1 " + status[:3].encode()) == 2
        assert b"hello" not in raw and b"Transfer-Encoding" not in raw
        assert (b"Content-Length: 0" in raw) == (status[:3] == "205")


def test_no_length_with_204(serve):
    raw = serve(app_of("204 No Content", [("Content-Length", "5")])).exchange(get())
    assert b"Content-Length" not in raw and raw.endswith(b"\r\n\r\n")
