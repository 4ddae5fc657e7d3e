"""``wsgi.file_wrapper``: files, and what is like them."""

import io
import os

from conftest import get


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
