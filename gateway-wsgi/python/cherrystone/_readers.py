"""Readers with limits over file-like objects.

The server does not use them: it counts natively. They keep their names for code that uses them, and can be used on any reader.
"""

from __future__ import annotations

from typing import Any, Iterator, List, Optional

from .errors import InputError, MaxSizeExceeded

__all__ = ["ChunkedRFile", "KnownLengthRFile", "SizeCheckWrapper"]


class _Lines:
    """Lines over ``readline``."""

    def readline(self, size: Optional[int] = None) -> bytes:
        raise NotImplementedError

    def readlines(self, sizehint: int = 0) -> List[bytes]:
        """Reads lines, until they hold ``sizehint`` octets if that is not 0."""
        lines, total = [], 0
        while line := self.readline():
            lines.append(line)
            total += len(line)
            if 0 < sizehint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    next = __next__


class SizeCheckWrapper(_Lines):
    """Raises ``MaxSizeExceeded`` once more than ``maxlen`` octets were read; 0 means no limit."""

    def __init__(self, rfile: Any, maxlen: int) -> None:
        self.rfile = rfile
        self.maxlen = maxlen
        self.bytes_read = 0

    def _count(self, data: bytes) -> bytes:
        self.bytes_read += len(data)
        if self.maxlen and self.bytes_read > self.maxlen:
            raise MaxSizeExceeded(f"more than {self.maxlen} octets")
        return data

    def read(self, size: Optional[int] = None) -> bytes:
        """Reads ``size`` octets, or all."""
        return self._count(self.rfile.read() if size is None else self.rfile.read(size))

    def readline(self, size: Optional[int] = None) -> bytes:
        """Reads a line, or ``size`` octets of it."""
        if size is not None and size >= 0:
            return self._count(self.rfile.readline(size))
        # Piece by piece, so that an endless line is noticed.
        pieces = []
        while True:
            piece = self._count(self.rfile.readline(256))
            pieces.append(piece)
            if len(piece) < 256 or piece.endswith(b"\n"):
                return b"".join(pieces)

    def close(self) -> None:
        """Closes the reader."""
        self.rfile.close()


class KnownLengthRFile(_Lines):
    """Ends after ``content_length`` octets. A reader that ends before raises."""

    def __init__(self, rfile: Any, content_length: int) -> None:
        if content_length < 0:
            raise ValueError(f"content has no length of {content_length}")
        self.rfile = rfile
        self.remaining = content_length

    def _take(self, data: bytes, wanted: int) -> bytes:
        if wanted and not data:
            raise InputError(f"the content ended {self.remaining} octets too early")
        self.remaining -= len(data)
        return data

    def read(self, size: Optional[int] = None) -> bytes:
        """Reads ``size`` octets, or all that is left."""
        wanted = self.remaining if size is None or size < 0 else min(size, self.remaining)
        return self._take(self.rfile.read(wanted), wanted) if wanted else b""

    def readline(self, size: Optional[int] = None) -> bytes:
        """Reads a line, or ``size`` octets of it."""
        wanted = self.remaining if size is None or size < 0 else min(size, self.remaining)
        return self._take(self.rfile.readline(wanted), wanted) if wanted else b""

    def close(self) -> None:
        """Closes the reader."""
        self.rfile.close()


class ChunkedRFile(_Lines):
    """Decodes chunked content (RFC 9112, 7.1) and raises for anything else; ``maxlen`` limits what is decoded, 0 does not."""

    def __init__(self, rfile: Any, maxlen: int, bufsize: int = 8192) -> None:
        self.rfile = rfile
        self.maxlen = maxlen
        self.bytes_read = 0
        #: Octets that are read at once.
        self.bufsize = bufsize
        #: What was decoded and not asked for yet.
        self.buffer = bytearray()
        #: Octets of the current chunk that were not read yet.
        self.remaining = 0
        self.closed = False

    def _line(self) -> bytes:
        line = self.rfile.readline(4098)
        if not line.endswith(b"\r\n"):
            raise InputError("a line of chunked content is too long or has no end")
        return line[:-2]

    def _begin(self) -> None:
        """Reads the line in front of a chunk."""
        digits = self._line().partition(b";")[0].rstrip(b" \t")
        if not 0 < len(digits) <= 16 or digits.strip(b"0123456789abcdefABCDEF"):
            raise InputError(f"{digits!r} is no chunk size")
        size = int(digits, 16)
        if size == 0:
            self.closed = True
            return
        self.bytes_read += size
        if self.maxlen and self.bytes_read > self.maxlen:
            raise MaxSizeExceeded(f"more than {self.maxlen} octets")
        self.remaining = size

    def _fetch(self) -> None:
        """Reads a piece of a chunk, or the end of all."""
        if not self.remaining:
            self._begin()
            if self.closed:
                return
        piece = self.rfile.read(min(self.remaining, self.bufsize))
        if not piece:
            raise InputError(f"a chunk ended {self.remaining} octets too early")
        self.buffer += piece
        self.remaining -= len(piece)
        if not self.remaining and self.rfile.read(2) != b"\r\n":
            raise InputError("a chunk is not followed by CRLF")

    def _take(self, count: int) -> bytes:
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read(self, size: Optional[int] = None) -> bytes:
        """Reads ``size`` octets, or all."""
        wanted = None if size is None or size < 0 else size
        while not self.closed and (wanted is None or len(self.buffer) < wanted):
            self._fetch()
        return self._take(len(self.buffer) if wanted is None else wanted)

    def readline(self, size: Optional[int] = None) -> bytes:
        """Reads a line, or ``size`` octets of it."""
        wanted = None if size is None or size < 0 else size
        searched = 0
        while True:
            end = self.buffer.find(b"\n", searched) + 1
            searched = len(self.buffer)
            enough = wanted is not None and len(self.buffer) >= wanted
            if end or enough or self.closed:
                end = end or len(self.buffer)
                return self._take(end if wanted is None else min(end, wanted))
            self._fetch()

    def read_trailer_lines(self) -> Iterator[bytes]:
        """The lines behind the last chunk, once all content was read."""
        if not self.closed:
            raise ValueError("the content was not read to its end")
        while line := self._line():
            yield line + b"\r\n"

    def close(self) -> None:
        """Closes the reader."""
        self.rfile.close()
