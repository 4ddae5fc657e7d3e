"""The WSGI server and its gateways.

::

    from cherrystone import wsgi

    server = wsgi.Server(("127.0.0.1", 8070), application)
    server.start()

Several applications under one server::

    server = wsgi.Server(address, wsgi.PathInfoDispatcher({"/": site, "/blog": blog}))
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from . import _addresses, server
from .workers import threadpool

__all__ = [
    "Gateway",
    "Gateway_10",
    "Gateway_u0",
    "PathInfoDispatcher",
    "Server",
    "WSGIGateway",
    "WSGIGateway_10",
    "WSGIGateway_u0",
    "WSGIPathInfoDispatcher",
    "WSGIServer",
    "wsgi_gateways",
]


class Server(server.HTTPServer):
    """A server of a WSGI application."""

    #: The version of WSGI that the application is given: ``(1, 0)`` or ``("u", 0)``.
    wsgi_version: Tuple[Any, int] = (1, 0)

    def __init__(
        self,
        bind_addr: _addresses.Address,
        wsgi_app: Any,
        numthreads: int = 10,
        server_name: Optional[str] = None,
        max: int = -1,
        request_queue_size: int = 1024,
        timeout: Optional[float] = 10,
        shutdown_timeout: float = 5,
        accepted_queue_size: int = -1,
        accepted_queue_timeout: float = 10,
        peercreds_enabled: bool = False,
        peercreds_resolve_enabled: bool = False,
        reuse_port: bool = False,
    ) -> None:
        super().__init__(
            bind_addr,
            gateway=wsgi_gateways[self.wsgi_version],
            minthreads=numthreads,
            maxthreads=max,
            server_name=server_name,
            peercreds_enabled=peercreds_enabled,
            peercreds_resolve_enabled=peercreds_resolve_enabled,
            reuse_port=reuse_port,
        )
        self.requests = threadpool.ThreadPool(
            self,
            min=numthreads or 1,
            max=max,
            accepted_queue_size=accepted_queue_size,
            accepted_queue_timeout=accepted_queue_timeout,
        )
        self.wsgi_app = wsgi_app
        self.timeout = timeout
        self.shutdown_timeout = shutdown_timeout
        self.request_queue_size = request_queue_size

    @property
    def numthreads(self) -> int:
        """Worker threads that are always there."""
        return self.requests.min

    @numthreads.setter
    def numthreads(self, value: int) -> None:
        self.requests.min = value

    def _application(self) -> Any:
        # A gateway that was changed or replaced is to be asked; the native server knows this one by heart.
        return self.wsgi_app if self.gateway is Gateway_10 else None


class Gateway(server.Gateway):
    """Answers a request by the WSGI application of the server.

    Override ``get_environ`` to change what the application is told; the answer itself is sent natively.
    """

    version: Tuple[Any, int] = (1, 0)

    def __init__(self, req: server.HTTPRequest) -> None:
        super().__init__(req)
        self.env = self.get_environ()
        #: Whether ``start_response`` has been called.
        self.started_response = False
        #: What the application declared as the length of its content.
        self.remaining_bytes_out: Optional[int] = None

    @classmethod
    def gateway_map(cls) -> Dict[Tuple[Any, int], type]:
        """The gateways by the version of WSGI."""
        return {gateway.version: gateway for gateway in (Gateway_10, Gateway_u0)}

    def get_environ(self) -> Dict[str, Any]:
        """The environment for the application. Has to be overridden."""
        raise NotImplementedError

    def respond(self) -> None:
        """Calls the application and sends its answer."""
        self.req.started_request = True
        self.req._exchange.run(self.req.server.wsgi_app, self.env, self.start_response)

    def start_response(self, status: str, headers: List[Tuple[str, str]], exc_info: Any = None) -> Any:
        """Takes the status and the headers of the answer, and returns ``write``."""
        self.req._exchange(status, headers, exc_info)
        self.started_response = True
        self.req.status = status.encode("latin-1")
        self.req.outheaders = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        self.remaining_bytes_out = lengths[0] if lengths else None
        return self.write

    def write(self, chunk: bytes) -> None:
        """Sends content."""
        self.req._exchange.write(chunk)


class Gateway_10(Gateway):
    """WSGI 1.0.1, as PEP 3333 has it: text that carries octets."""

    version: Tuple[Any, int] = (1, 0)

    def get_environ(self) -> Dict[str, Any]:
        """The environment for the application."""
        return dict(self.req._environ)


class Gateway_u0(Gateway_10):
    """The draft of WSGI with decoded text: ``PATH_INFO``, ``SCRIPT_NAME`` and ``QUERY_STRING`` are what UTF-8 makes of the octets."""

    version = ("u", 0)

    def get_environ(self) -> Dict[str, Any]:
        """The environment for the application."""
        environ = super().get_environ()
        environ["wsgi.version"] = self.version
        keys = ("PATH_INFO", "SCRIPT_NAME", "QUERY_STRING")
        environ["wsgi.url_encoding"] = encoding = environ.get("wsgi.url_encoding", "utf-8")
        try:
            decoded = {key: environ[key].encode("latin-1").decode(encoding) for key in keys}
        except UnicodeDecodeError:
            environ["wsgi.url_encoding"] = "ISO-8859-1"
        else:
            environ.update(decoded)
        return environ


wsgi_gateways = Gateway.gateway_map()


class PathInfoDispatcher:
    """Several applications under their path prefixes: the longest that ends at a slash wins, and no match is 404."""

    def __init__(self, apps: Union[Dict[str, Any], Iterable[Tuple[str, Any]]]) -> None:
        pairs = apps.items() if isinstance(apps, dict) else apps
        #: The prefixes without their last slash and their applications, the longest first.
        self.apps = sorted(((path.rstrip("/"), app) for path, app in pairs), key=lambda pair: len(pair[0]), reverse=True)

    def __call__(self, environ: Dict[str, Any], start_response: Any) -> Any:
        """Calls the application of the path."""
        path = environ.get("PATH_INFO") or "/"
        for prefix, application in self.apps:
            if path.startswith(prefix + "/") or path == prefix:
                environ = dict(environ)
                environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
                environ["PATH_INFO"] = path[len(prefix):]
                return application(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]


WSGIServer = Server
WSGIGateway = Gateway
WSGIGateway_10 = Gateway_10
WSGIGateway_u0 = Gateway_u0
WSGIPathInfoDispatcher = PathInfoDispatcher
