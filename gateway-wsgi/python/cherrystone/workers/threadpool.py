"""The worker threads of a server, as far as Python sees them.

The pool is native: it grows when requests wait and shrinks when threads have nothing to do. These classes keep the names that code for
the original may use; what each method can still mean is said beside it.
"""

from __future__ import annotations

from typing import Any, Optional

__all__ = ["ThreadPool", "WorkerThread"]


class WorkerThread:
    """A worker thread. Kept for code that names it: the threads are native, and none of them is an object of this class."""

    #: The connection that the thread serves.
    conn: Optional[Any] = None
    #: The server that it belongs to.
    server: Optional[Any] = None
    #: Whether it takes requests.
    ready = False

    def __init__(self, server: Any) -> None:
        self.server = server


class ThreadPool:
    """The size of a server's pool, and what it does at the moment."""

    def __init__(
        self,
        server: Any,
        min: int = 10,
        max: int = -1,
        accepted_queue_size: int = -1,
        accepted_queue_timeout: float = 10,
    ) -> None:
        if min < 1:
            raise ValueError(f"min={min!r} must be > 0")
        if not isinstance(max, int) or isinstance(max, bool):
            raise TypeError(f"Expected an integer as the maximum, not {max!r}")
        if max == 0 or 0 < max < min:
            raise ValueError(f"Expected max={max!r} to be negative (the server's own limit of 100) or at least min={min!r}")
        self.server = server
        #: Threads that are always there.
        self.min = min
        #: Threads at most; a negative number is the server's own limit, 100 or ``min`` if that is more.
        self.max = max
        #: Requests that may wait for a thread; a negative number is the server's own limit, 1,024. Beyond it: 503.
        self.accepted_queue_size = accepted_queue_size
        #: Kept for code that reads it: a request that finds no room is answered 503 at once.
        self.accepted_queue_timeout = accepted_queue_timeout

    def _native(self, name: str) -> int:
        engine = getattr(self.server, "_engine", None)
        return 0 if engine is None else engine.stats().get(name, 0)

    @property
    def idle(self) -> int:
        """Threads that have nothing to do."""
        return self._native("threads_idle")

    @property
    def qsize(self) -> int:
        """Requests that wait for a thread."""
        return self._native("queue")

    def start(self) -> None:
        """Does nothing: the threads start with the server."""

    def stop(self, timeout: float = 5) -> None:
        """Does nothing: the threads end with the server."""

    def get(self) -> None:
        """Returns nothing: connections are handed to threads natively."""

    def put(self, obj: Any) -> None:
        """Refuses: a connection cannot be put in from outside."""
        raise NotImplementedError("connections reach the native pool through the listeners of the server only")

    def grow(self, amount: int) -> None:
        """Starts up to ``amount`` threads more, not beyond ``max``. They leave again when they stay idle for 30 seconds.

        The pool grows by itself, too, when requests wait.
        """
        engine = getattr(self.server, "_engine", None)
        if engine is not None and amount > 0:
            engine.grow(amount)

    def shrink(self, amount: int) -> None:
        """Sends up to ``amount`` threads away, not below ``min``; busy ones leave when they have nothing to do.

        The pool shrinks by itself, too, when threads are idle.
        """
        engine = getattr(self.server, "_engine", None)
        if engine is not None and amount > 0:
            engine.shrink(amount)
