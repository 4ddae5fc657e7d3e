"""A request and its connection, as gateways written in Python see them."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

__all__ = ["Gateway", "HTTPConnection", "HTTPRequest"]

#: What the server alone may say; gateways written for the original sometimes say it, too.
_FRAMING = frozenset([b"connection", b"keep-alive", b"transfer-encoding"])


class Gateway:
    """Answers a request: subclass it and override ``respond``."""

    def __init__(self, req: "HTTPRequest") -> None:
        self.req = req

    def respond(self) -> None:
        """Answers ``req``. Has to be overridden."""
        raise NotImplementedError


class HTTPRequest:
    """One request and its answer."""

    def __init__(self, server: Any, conn: "HTTPConnection", proxy_mode: bool = False, strict_mode: bool = True) -> None:
        self.server = server
        self.conn = conn
        #: Whether the request could be read.
        self.ready = False
        #: Whether the gateway has begun to answer.
        self.started_request = False
        self.scheme = b"http"
        self.method = b""
        #: The target of the request, as it came.
        self.uri = b""
        #: The path, decoded but for ``%2F``.
        self.path = b""
        self.qs = b""
        self.authority: Optional[bytes] = None
        self.request_protocol = b"HTTP/1.1"
        self.response_protocol = "HTTP/1.1"
        #: The header lines of the request by title-cased name, several of one name joined.
        self.inheaders: Dict[bytes, bytes] = {}
        #: The status of the answer, such as ``"200 OK"``.
        self.status: Any = ""
        #: The header lines of the answer.
        self.outheaders: List[Tuple[bytes, bytes]] = []
        #: Set it to let the connection end after the answer.
        self.close_connection = False
        #: Whether the answer goes out in chunks.
        self.chunked_write = False
        #: The content of the request.
        self.rfile: Any = None
        self.proxy_mode = proxy_mode
        self.strict_mode = strict_mode
        self._exchange: Any = None
        self._environ: Dict[str, Any] = {}
        self._lines: List[Tuple[bytes, bytes]] = []

    def _attach(self, exchange: Any, environ: Dict[str, Any], lines: List[Tuple[bytes, bytes]]) -> None:
        self._exchange, self._environ, self._lines = exchange, environ, lines

    @property
    def sent_headers(self) -> bool:
        """Whether the head of the answer is on its way."""
        return self._exchange is not None and self._exchange.headers_sent

    def parse_request(self) -> bool:
        """Takes over what the native server has read and judged."""
        environ = self._environ
        latin1 = {key: environ[key].encode("latin-1") for key in ("REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "QUERY_STRING")}
        self.method = latin1["REQUEST_METHOD"]
        self.uri = latin1["REQUEST_URI"]
        self.path = latin1["PATH_INFO"]
        self.qs = latin1["QUERY_STRING"]
        self.scheme = environ["wsgi.url_scheme"].encode("ascii")
        self.request_protocol = environ["SERVER_PROTOCOL"].encode("ascii")
        self.authority = self.parse_request_uri(self.uri)[1]
        self.rfile = environ["wsgi.input"]
        self.ready = self.read_request_headers()
        return self.ready

    def parse_request_uri(self, uri: bytes) -> Tuple[Optional[bytes], Optional[bytes], bytes]:
        """The scheme, authority and path (with its query) of a request target; ``None`` for what it does not have."""
        if uri.startswith(b"/") or uri == b"*":
            return None, None, uri
        scheme, found, rest = uri.partition(b"://")
        if not found:
            return None, uri, b""
        ends = [at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0]
        end = min(ends, default=len(rest))
        path = rest[end:]
        return scheme, rest[:end], path if path.startswith(b"/") else b"/" + path

    def read_request_headers(self) -> bool:
        """Fills ``inheaders``."""
        for name, value in self._lines:
            key = name.title()
            if key in self.inheaders:
                value = self.inheaders[key] + (b"; " if key == b"Cookie" else b", ") + value
            self.inheaders[key] = value
        return True

    def respond(self) -> None:
        """Has the gateway of the server answer."""
        self.server.gateway(self).respond()
        self.ensure_headers_sent()

    def ensure_headers_sent(self) -> None:
        """Sends the head if the gateway has not, provided that it has named a status."""
        if self.status and not self.sent_headers and not self.started_request:
            self.send_headers()

    def send_headers(self) -> None:
        """Sends ``status`` and ``outheaders``. Framing is added by the server; ``Connection: close`` sets ``close_connection``."""
        headers = []
        has_length = False
        for name, value in self.outheaders:
            name, value = _to_bytes(name), _to_bytes(value)
            key = name.lower()
            if key == b"connection" and value.strip().lower() == b"close":
                self.close_connection = True
            if key not in _FRAMING:
                headers.append((name.decode("latin-1"), value.decode("latin-1")))
                has_length |= key == b"content-length"
        status = self.status.decode("latin-1") if isinstance(self.status, bytes) else self.status
        self.chunked_write = (
            not has_length
            and self.request_protocol == b"HTTP/1.1"
            and self.method != b"HEAD"
            and status[:3] not in ("204", "205", "304")
        )
        if self.close_connection:
            self._exchange.close_after()
        self._exchange(status, headers)
        self._exchange.send_headers()

    def simple_response(self, status: Any, msg: str = "") -> None:
        """Answers with a status and a text."""
        content = msg.encode("latin-1")
        self.status = str(status)
        self.outheaders = [(b"Content-Length", str(len(content)).encode()), (b"Content-Type", b"text/plain")]
        self.send_headers()
        self.write(content)

    def write(self, chunk: bytes) -> None:
        """Sends content."""
        if not self.sent_headers:
            self.send_headers()
        if chunk:
            self._exchange.write(chunk)


class HTTPConnection:
    """The connection of a request. It is native; this is what gateways may ask of it."""

    #: Creates the request; override it to have another class.
    RequestHandlerClass = HTTPRequest
    #: Facts of TLS, as they are in the environment.
    ssl_env: Optional[Dict[str, str]] = None
    remote_addr: Optional[str] = None
    remote_port: Any = None
    #: Who is at the other end of a unix socket, if the server was told to ask.
    peer_pid: Optional[int] = None
    peer_uid: Optional[int] = None
    peer_gid: Optional[int] = None

    def __init__(self, server: Any, sock: Any, makefile: Any = None) -> None:
        self.server = server
        #: Kept for code that names it: the socket is native, and this is ``None``.
        self.socket = sock
        self._request: Any = None

    def _attach(self, exchange: Any, environ: Dict[str, Any], lines: List[Tuple[bytes, bytes]]) -> None:
        port = environ["REMOTE_PORT"]
        self.remote_addr = environ["REMOTE_ADDR"] or None
        self.remote_port = int(port) if port else None
        self.peer_pid, self.peer_uid, self.peer_gid = (
            int(environ[key]) if key in environ else None for key in ("X_REMOTE_PID", "X_REMOTE_UID", "X_REMOTE_GID")
        )
        self.ssl_env = {key: value for key, value in environ.items() if key == "HTTPS" or key.startswith("SSL_")} or None
        self._request = self.RequestHandlerClass(self.server, self)
        self._request._attach(exchange, environ, lines)

    def communicate(self) -> bool:
        """Has the request of this moment answered. The next one comes with a connection object of its own."""
        if self._request.parse_request():
            self._request.respond()
        return not self._request.close_connection

    def close(self) -> None:
        """Lets the connection end after the answer."""
        if self._request is not None:
            self._request.close_connection = True
            if not self._request.sent_headers:
                self._request._exchange.close_after()


def _to_bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
