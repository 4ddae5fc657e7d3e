"""Where applications and the server complain."""

from __future__ import annotations

import sys
from typing import Iterable

__all__ = ["ErrorLog"]


class ErrorLog:
    """``wsgi.errors``: text that goes to the standard error stream of the moment."""

    def write(self, text: str) -> int:
        """Writes text."""
        stream = sys.stderr
        return len(text) if stream is None else stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Puts out what was written."""
        if sys.stderr is not None:
            sys.stderr.flush()
