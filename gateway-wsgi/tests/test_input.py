"""``wsgi.input``: the content of a request, whatever its size, framing and timing."""

import io
import time

import pytest
from cherrystone import InputError, InputUnavailable, MaxSizeExceeded
from conftest import get, receive_all

LINES = b"one\n\nthree, which is longer\r\nlast without end"


def reader(read):
    def app(environ, start_response):
        result = repr(read(environ["wsgi.input"])).encode()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [result]

    return app


def chunked(content, size):
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def requests(content):
    """The same content in several framings."""
    head = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    yield head + b"Content-Length: %d\r\n\r\n" % len(content) + content
    for size in (1, 3, 1000):
        yield head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(content, size)


READS = [
    lambda file: file.read(),
    lambda file: file.read(-1),
    lambda file: file.read(None),
    lambda file: [file.read(100), file.read(100), file.read()],
    lambda file: [file.read(0), file.read(3), file.read(7), file.read(1000), file.read(1)],
    lambda file: [file.readline(), file.readline(), file.readline(), file.readline(), file.readline()],
    lambda file: [file.readline(2), file.readline(0), file.readline(-1), file.readline(100), file.readline(None)],
    lambda file: file.readlines(),
    lambda file: [file.readlines(1), file.readlines(5), file.readlines(0)],
    lambda file: list(file),
    lambda file: [file.readline(), file.readline(2), file.read(7), list(file), file.read(), file.readline(), list(file)],
    lambda file: [file.read(5), file.readlines(), file.read(5)],
    lambda file: (file.close(), file.read(3))[1] if not isinstance(file, io.BytesIO) else file.read(3),
]


@pytest.mark.parametrize("chunked_input", ["spool", "stream"])
def test_reads_as_a_file_does(serve, chunked_input):
    for number, read in enumerate(READS):
        served = serve(reader(read), chunked_input=chunked_input)
        for request in requests(LINES):
            expected = repr(read(io.BytesIO(LINES))).encode()
            assert served.exchange(request).partition(b"\r\n\r\n")[2] == expected, (number, request[:100])
        served.stop()


@pytest.mark.parametrize("chunked_input", ["spool", "stream"])
def test_reads_octet_by_octet(serve, chunked_input):
    read = READS[10]
    served = serve(reader(read), chunked_input=chunked_input)
    for request in list(requests(LINES))[:3]:
        with served.connect() as client:
            for octet in request:
                client.sendall(bytes([octet]))
            assert receive_all(client).partition(b"\r\n\r\n")[2] == repr(read(io.BytesIO(LINES))).encode()


@pytest.mark.parametrize("chunked_input", ["spool", "stream"])
def test_large_content(serve, chunked_input):
    content = b"".join(b"line %d\n" % number for number in range(60_000))
    expected = repr((len(content), content[-20:], 60_000)).encode()

    def read(file):
        lines = [file.readline() for _ in range(10)] + list(file)
        whole = b"".join(lines)
        return len(whole), whole[-20:], len(lines)

    served = serve(reader(read), chunked_input=chunked_input)
    assert served.request("POST", "/", body=content).content == expected
    assert served.request("POST", "/", body=iter([content[:5], content[5:]]), encode_chunked=True,
                          headers={"Transfer-Encoding": "chunked"}).content == expected
    served = serve(reader(lambda file: len(file.read())), chunked_input=chunked_input)
    assert served.request("POST", "/", body=content).content == repr(len(content)).encode()


@pytest.mark.parametrize("chunked_input", ["spool", "stream"])
def test_long_lines(serve, chunked_input):
    lines = [b"x" * 200_000 + b"\n", b"y" * 70_000]
    read = lambda file: [(line[:1], len(line)) for line in [file.readline(), file.readline(65_536), *file]]
    served = serve(reader(read), chunked_input=chunked_input)
    for request in (*list(requests(b"".join(lines)))[:1], *list(requests(b"".join(lines)))[3:]):
        assert served.exchange(request).endswith(repr(read(io.BytesIO(b"".join(lines)))).encode())


def test_content_length_is_that_of_what_can_be_read(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        keys = ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "wsgi.input_terminated")
        return [repr([environ.get(key) for key in keys]).encode()]

    head = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    with_length = head + b"Content-Length: 3\r\n\r\nabc"
    in_chunks = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"abcdef", 4)
    ask = lambda served, request: served.exchange(request).partition(b"\r\n\r\n")[2]
    for mode, expected in (("spool", b"['6', None, True]"), ("stream", b"[None, 'chunked', True]")):
        served = serve(app, chunked_input=mode)
        assert ask(served, with_length) == b"['3', None, True]"
        assert ask(served, in_chunks) == expected
        assert ask(served, get()) == b"[None, None, True]"
        assert ask(served, head + b"Content-Length: 0\r\n\r\n") == b"['0', None, True]"


def test_reading_never_waits_for_the_next_request(serve):
    served = serve(reader(lambda file: [file.read(), file.read(100), file.readline(), file.read()]))
    with served.connect() as client:
        started = time.monotonic()
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
        assert client.recv(1000).endswith(b"[b'hello', b'', b'', b'']")
        assert time.monotonic() - started < 2
        client.sendall(get())
        assert receive_all(client).endswith(b"[b'', b'', b'', b'']")


@pytest.mark.parametrize("chunked_input", ["spool", "stream"])
@pytest.mark.parametrize(
    "request_",
    [
        b"Content-Length: 10\r\n\r\nhalf",
        b"Content-Length: 100000\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
    ],
)
def test_content_that_breaks_off_raises(serve, request_, chunked_input):
    seen = []

    def app(environ, start_response):
        for _ in range(2):
            try:
                while environ["wsgi.input"].read(10):
                    pass
                seen.append("end")
            except OSError as error:
                seen.append(type(error))
        environ["wsgi.input"].read()

    served = serve(app, chunked_input=chunked_input)
    with served.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\n" + request_)
        client.shutdown(1)
        raw = receive_all(client)
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert seen == [InputError, InputError]
    assert not served.logged


def test_slow_content_is_a_408(serve):
    served = serve(reader(lambda file: file.read()), timeout=0.5)
    with served.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
        assert receive_all(client).startswith(b"HTTP/1.1 408 ")


def test_content_beyond_the_limit(serve):
    seen = []

    def app(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except MaxSizeExceeded:
            seen.append("too large")
            raise

    served = serve(app, max_request_body_size=1000)
    head = b"POST / HTTP/1.1\r\nHost: h\r\n"
    assert served.exchange(head + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001).startswith(b"HTTP/1.1 413 ")
    assert not seen
    raw = served.exchange(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 1001, 500))
    assert raw.startswith(b"HTTP/1.1 413 ") and seen == ["too large"]


def test_continue_is_sent_when_the_application_reads(serve):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/refuse":
            start_response("403 Forbidden", [])
            return [b"no"]
        content = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [content]

    served = serve(app)
    head = b"POST %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with served.connect() as client:
        client.sendall(head % b"/")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert client.recv(1000).endswith(b"hello")
    with served.connect() as client:
        client.sendall(head % b"/refuse")
        assert client.recv(1000).startswith(b"HTTP/1.1 403 ")


def test_content_that_an_answer_refused_is_not_empty_content(serve):
    raised = []

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"early"
        for _ in range(2):
            try:
                environ["wsgi.input"].read()
            except InputUnavailable as error:
                raised.append(str(error))
                if environ["PATH_INFO"] == "/raise":
                    raise
        yield b"late"

    served = serve(app)
    request = b"POST %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"
    raw = served.exchange(request % b"/")
    assert raw.startswith(b"HTTP/1.1 200 ") and b"early" in raw and raw.endswith(b"late\r\n0\r\n\r\n")
    assert len(raised) == 2 and all("refused" in text for text in raised)
    assert served.logged == []
    raw = served.exchange(request % b"/raise")
    assert b"early" in raw and not raw.endswith(b"0\r\n\r\n")
    assert served.log_has("InputUnavailable: the answer began")


def test_content_that_cannot_be_kept_is_told(serve, monkeypatch, tmp_path):
    def app(environ, start_response):
        try:
            content = environ["wsgi.input"].read()
        except OSError:
            # What frameworks make of it.
            start_response("400 Bad Request", [])
            return [b"gone"]
        start_response("200 OK", [])
        return [b"%d" % len(content)]

    served = serve(app)
    request = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 200_000, 50_000)
    with monkeypatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path / "missing"))
        assert served.exchange(request + get()).startswith(b"HTTP/1.1 400 ")
        assert served.log_has("the content cannot be kept in a file")
    assert served.exchange(request + get()).count(b"HTTP/1.1 200 ") == 2


def test_content_that_is_not_read_does_not_harm_the_next_request(serve):
    served = serve(lambda e, s: (s("200 OK", []), [b"ignored"])[1])
    head = b"POST / HTTP/1.1\r\nHost: h\r\n"
    for request in (
        head + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"GET /evil HTTP/1.1\r\n" * 100, 100),
    ):
        raw = served.exchange(request + get())
        assert raw.count(b"HTTP/1.1 200 OK") == 2


def test_reading_and_writing_at_once(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        while piece := environ["wsgi.input"].read(50_000):
            yield piece

    content = bytes(range(256)) * 2_000
    assert serve(app).request("POST", "/", body=content).content == content


def test_small_content_may_be_read_by_any_thread(serve):
    import threading

    def read(file):
        result = []
        thread = threading.Thread(target=lambda: result.append(file.read()))
        thread.start()
        thread.join()
        return result

    assert serve(reader(read)).request("POST", "/", body=b"abc").content == b"[b'abc']"
    chunks = {"body": iter([b"x" * 100_000]), "encode_chunked": True, "headers": {"Transfer-Encoding": "chunked"}}
    answer = serve(reader(lambda file: len(read(file)[0]))).request("POST", "/", **chunks)
    assert answer.content == b"100000"
