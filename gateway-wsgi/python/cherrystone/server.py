"""The HTTP server, its requests and connections as a gateway written in Python sees them."""

from __future__ import annotations

import atexit
import socket
import threading
import time
import traceback as traceback_module
import weakref
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type

from . import _addresses
from ._cherrystone import Engine, FileWrapper, __version__, in_request
from ._log import ErrorLog
from ._options import native_options
from ._request import Gateway, HTTPConnection, HTTPRequest
from .workers.threadpool import ThreadPool, WorkerThread

__all__ = ["Gateway", "HTTPConnection", "HTTPRequest", "HTTPServer", "ThreadPool", "WorkerThread"]

#: Seconds that requests have to end when the interpreter ends and nobody has stopped the server.
LAST_PATIENCE = 1.0

#: Servers that an interpreter which ends has to stop, since their threads must not outlive it.
_running: "weakref.WeakSet[HTTPServer]" = weakref.WeakSet()


class HTTPServer:
    """A server that has requests answered by a gateway.

    A gateway is a class; it is called with the request and its ``respond`` is called then. Attributes may be set until ``prepare``.
    """

    #: Where it listens: ``(host, port)`` or the path of a unix socket. After ``prepare`` with the real port.
    _bind_addr: _addresses.Address = ("127.0.0.1", 8080)

    #: Further addresses to listen at.
    more_addresses: Sequence[_addresses.Address] = ()
    #: All addresses that the server listens at, with real ports; a host name may have several.
    bound_addresses: List[_addresses.Address] = []

    #: The class that answers requests.
    gateway: Any = None
    #: Worker threads that are always there, and at most; ``None`` here: the values are those of ``requests``.
    minthreads: Optional[int] = None
    maxthreads: Optional[int] = None
    #: The name of this server in URLs, ``SERVER_NAME``; the name of the machine by default.
    server_name: Optional[str] = None
    #: The version of HTTP in status lines. Kept for code that reads it: the version is always 1.1.
    protocol = "HTTP/1.1"
    #: Connections that the kernel completes before they are accepted.
    request_queue_size = 1024
    #: Seconds within which requests under way may end when the server stops.
    shutdown_timeout: float = 5
    #: Seconds that a client may keep the server waiting: for the next request, for its head, for content, and to take an answer.
    timeout: Optional[float] = 10
    #: Seconds for the next request of a kept connection; ``None`` means ``timeout``.
    idle_timeout: Optional[float] = None
    #: Seconds for the head of a request; ``None`` means ``timeout``.
    head_timeout: Optional[float] = None
    #: Octets a second that a client has to keep up in the long run, sending and receiving.
    body_rate = send_rate = 512
    #: What the server calls itself.
    version = "Cherrystone/" + __version__
    #: The ``Server`` field of answers and ``SERVER_SOFTWARE``; made of ``version`` by ``prepare`` if it is ``None``.
    software: Optional[str] = None
    #: Whether the server can take requests.
    ready = False
    #: Octets that the head of a request may have, at most 65,535; 0 and more than that mean that.
    max_request_header_size = 0
    #: Octets that the content of a request may have; 0 means no limit, but 1 GiB where content has no declared length.
    max_request_body_size = 0
    #: Header lines that a request may have.
    max_header_fields = 100
    #: Kept for code that sets it: always on.
    nodelay = True
    #: Creates what ``req.conn`` is in gateways written in Python.
    ConnectionClass: Type[HTTPConnection] = HTTPConnection
    #: TLS: a ``cherrystone.ssl.Adapter``, or ``None``.
    ssl_adapter: Any = None
    #: Whether a client on a unix socket is identified, and whether by name.
    peercreds_enabled = False
    peercreds_resolve_enabled = False
    #: Whether several processes listen at the same port, the kernel spreading connections among them.
    reuse_port = False
    #: The proxies that every connection has to come from with a header of the PROXY protocol: networks in CIDR form, separated by commas.
    proxy_protocol: Optional[str] = None
    #: The proxies whose ``Forwarded`` fields tell of clients, in the same form.
    forwarded: Optional[str] = None
    #: The proxies whose ``X-Forwarded-For``, ``-Proto`` and ``-Host`` fields tell of clients, in the same form.
    x_forwarded: Optional[str] = None
    #: The permissions of a unix socket, such as ``0o660``.
    unix_mode: Optional[int] = None
    #: Connections that may be open.
    max_connections = 10_000
    #: ``"threads"``, or ``"mio"`` for event loops in front of the worker threads.
    backend = "threads"
    #: Event loops of the ``"mio"`` backend.
    loops = 1
    #: ``"spool"``: content without a declared length is received before the application is called, which then knows its length;
    #: ``"stream"``: the application reads it as it comes.
    chunked_input = "spool"
    #: A path for a line about each request, or ``"-"`` for the standard output.
    access_log: Optional[str] = None
    #: ``"combined"``, or ``"json"``.
    access_log_format = "combined"
    #: Seconds that a request may wait for a worker thread before another one is started, up to the largest number of them. Threads
    #: share Python's lock: more of them than needed make an application slower.
    growth_delay = 0.05
    #: Whether other processes serve the same application.
    multiprocess = False

    def __init__(
        self,
        bind_addr: _addresses.Address,
        gateway: Any,
        minthreads: int = 10,
        maxthreads: int = -1,
        server_name: Optional[str] = None,
        peercreds_enabled: bool = False,
        peercreds_resolve_enabled: bool = False,
        reuse_port: bool = False,
    ) -> None:
        self.bind_addr = bind_addr
        self.gateway = gateway
        self.requests = ThreadPool(self, min=minthreads or 1, max=maxthreads)
        self.server_name = server_name or socket.gethostname() or "localhost"
        self.peercreds_enabled = peercreds_enabled
        self.peercreds_resolve_enabled = peercreds_resolve_enabled and peercreds_enabled
        self.reuse_port = reuse_port
        self.clear_stats()
        self._engine: Optional[Engine] = None
        #: It was prepared, and does not serve yet.
        self._prepared = False
        #: A stop under way, and the thread that it runs in.
        self._ending: Optional[Tuple[Engine, threading.Thread]] = None
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._interrupt: Optional[BaseException] = None
        self._start_time: Optional[float] = None
        self._run_time = 0.0

    # ---- where it listens ------------------------------------------------------------------------------------------------------

    @property
    def bind_addr(self) -> _addresses.Address:
        """Where the server listens: ``(host, port)`` or a path. After ``prepare`` with the port that a 0 became."""
        return self._bind_addr

    @bind_addr.setter
    def bind_addr(self, value: _addresses.Address) -> None:
        _addresses.to_text(value)
        self._bind_addr = value

    @property
    def scheme(self) -> str:
        """``"https"`` with an adapter for TLS, else ``"http"``."""
        return "http" if self.ssl_adapter is None else "https"

    @property
    def url(self) -> str:
        """The address as a client would write it."""
        return _addresses.to_url(self._bind_addr, self.scheme)

    def bind(self, family: int, type: int, proto: int = 0) -> None:
        """Kept for code that calls it: ``prepare`` binds, and the family follows from the address."""

    # ---- life ------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Serves until ``stop`` is called, ``interrupt`` is set, or a signal raises: ``prepare``, ``serve``, and ``stop`` at the end."""
        self.prepare()
        try:
            self.serve()
        finally:
            self.stop()

    def safe_start(self) -> None:
        """As ``start``, with a line in the log when it ends by ``KeyboardInterrupt`` or ``SystemExit``."""
        try:
            self.start()
        except KeyboardInterrupt:
            self.error_log("Keyboard Interrupt: shutting down")
            raise
        except SystemExit:
            self.error_log("SystemExit raised: shutting down")
            raise

    def prepare(self) -> None:
        """Binds the address, so that clients can connect. They are served from ``serve`` on."""
        with self._lock:
            if self._engine is not None:
                raise RuntimeError("the server is prepared already")
            self._interrupt = None
            self._ending = None
            self._stopped.clear()
            if self.software is None:
                self.software = self.version + " Server"
            texts = [_addresses.to_text(address) for address in (self._bind_addr, *self.more_addresses)]
            if self.reuse_port and any(text.startswith("unix:") or text.endswith(":0") for text in texts):
                raise ValueError("reuse_port needs TCP addresses with ports, which other processes can name too")
            engine = self._make_engine()
            bound = [[_addresses.from_text(text) for text in engine.bind(address)] for address in texts]
            self._bind_addr = bound[0][0]
            self.bound_addresses = [address for addresses in bound for address in addresses]
            self._engine = engine
            self._prepared = True
            self.ready = True
            self._start_time = time.time()
            _running.add(self)

    def serve(self) -> None:
        """Serves requests; returns after ``stop``, raises what ``interrupt`` was set to."""
        with self._lock:
            if not self._prepared:
                raise RuntimeError("call prepare first")
            self._prepared = False
            # There is none if a stop, from a signal perhaps, came before this.
            if self._engine is not None:
                self._engine.start()
        # An event in Python, so that signal handlers run.
        self._stopped.wait()
        if self._interrupt is not None:
            raise self._interrupt

    def stop(self) -> None:
        """Ends the server: listeners and idle connections at once, requests under way within ``shutdown_timeout``.

        Repeating it is harmless, from any thread. A request that calls it lets the server end after its answer. A second
        ``KeyboardInterrupt`` cuts what is still waited for.
        """
        ending = self._begin_stop()
        if ending is None or in_request():
            return
        engine, thread = ending
        try:
            thread.join()
        except KeyboardInterrupt:
            engine.cut()
            thread.join()
            raise

    def _begin_stop(self) -> Optional[Tuple[Engine, threading.Thread]]:
        """Lets the server end, in a thread of its own: the thread that asks may be one that the server has to wait for."""
        with self._lock:
            engine, self._engine = self._engine, None
            self.ready = False
            if self._start_time is not None:
                self._run_time += time.time() - self._start_time
                self._start_time = None
            _running.discard(self)
            ending = self._ending
            if engine is None:
                if ending is None or not ending[1].is_alive():
                    self._stopped.set()
                return ending
            self._ending = ending = engine, threading.Thread(target=self._end, args=(engine,), name="cherrystone-stop")
        ending[1].start()
        return ending

    def _end(self, engine: Engine) -> None:
        # A negative or missing time means no limit.
        within = float("inf") if self.shutdown_timeout is None or self.shutdown_timeout < 0 else float(self.shutdown_timeout)
        try:
            cut, busy = engine.stop(within)
            if cut or busy:
                self.error_log(f"stopped with {cut} connections cut and {busy} requests still at work")
        finally:
            self._stopped.set()

    @property
    def interrupt(self) -> Optional[BaseException]:
        """Setting this to an exception lets the server end, and ``serve`` raise it; it does not wait for that."""
        return self._interrupt

    @interrupt.setter
    def interrupt(self, value: Optional[BaseException]) -> None:
        self._interrupt = value
        if value is not None:
            self._begin_stop()

    def reload(self) -> None:
        """Reads the certificates again, for connections from now on, and opens the file of the access log anew."""
        engine = self._engine
        if engine is not None:
            engine.reload()

    def tick(self) -> None:
        """Kept for code that names it: the native server needs no loop in Python."""

    # ---- what happens ----------------------------------------------------------------------------------------------------------

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Writes a message to the standard error stream, with the traceback of the exception at hand if asked for."""
        stream = ErrorLog()
        try:
            stream.write(msg + "\n")
            if traceback:
                stream.write(traceback_module.format_exc())
            stream.flush()
        except (OSError, ValueError):
            # A full disk or a closed stream is no reason to fail a request.
            pass

    def note(self, message: str) -> None:
        """Is told by the server what an application did wrong without raising."""
        self.error_log(message, level=30)

    def request_failed(self, error: BaseException) -> None:
        """Is told by the server what an application raised."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.interrupt = error
            return
        text = "".join(traceback_module.format_exception(type(error), error, error.__traceback__))
        self.error_log("the application failed\n" + text.rstrip("\n"), level=40)

    def runtime(self) -> float:
        """Seconds that the server has been running."""
        if self._start_time is None:
            return self._run_time
        return self._run_time + (time.time() - self._start_time)

    def clear_stats(self) -> None:
        """Begins counting the run time anew. The native counters count from the start of the server."""
        self._run_time = 0.0

    @property
    def stats(self) -> Dict[str, Any]:
        """What was counted until now, under cheroot's names where there is one; see the migration page."""
        engine = self._engine
        native = engine.stats() if engine is not None else {}
        return {
            "Enabled": True,
            "Bind Address": repr(self.bind_addr),
            "Run time": self.runtime(),
            "Accepts": native.get("accepted", 0),
            "Requests": native.get("requests", 0),
            "Threads": native.get("threads", 0),
            "Threads Idle": native.get("threads_idle", 0),
            "Queue": native.get("queue", 0),
            "Connections": native.get("open", 0),
            "Refused": native.get("refused", 0),
            "Violations": native.get("violations", 0),
            "Stalled": native.get("stalled", 0),
            "Failures": native.get("failures", 0),
            "TLS Failures": native.get("tls_failures", 0),
        }

    # ---- the native server -----------------------------------------------------------------------------------------------------

    def _application(self) -> Any:
        """The application that the native server may call by itself, without ``gateway``; ``None`` if there is none."""
        return None

    def _environ(self) -> Dict[str, Any]:
        """What all environments have in common."""
        return {
            "ACTUAL_SERVER_PROTOCOL": self.protocol,
            "SCRIPT_NAME": "",
            "SERVER_SOFTWARE": self.software,
            "wsgi.errors": ErrorLog(),
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
            "wsgi.multiprocess": self.multiprocess,
            "wsgi.multithread": True,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }

    def _make_engine(self) -> Engine:
        application = self._application()
        return Engine(
            target=self._handle if application is None else application,
            kind="handler" if application is None else "application",
            reporter=self,
            environ=self._environ(),
            options=native_options(self),
        )

    def _handle(self, exchange: Any, environ: Dict[str, Any], lines: List[Any]) -> None:
        """Has a request answered by ``gateway``."""
        connection = self.ConnectionClass(self, None)
        connection._attach(exchange, environ, lines)
        connection.communicate()


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        engine, server._engine = server._engine, None
        if engine is not None:
            # Here and now: an interpreter that ends starts no threads any more.
            engine.stop(LAST_PATIENCE)
            server._stopped.set()
