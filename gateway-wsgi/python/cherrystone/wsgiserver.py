"""CherryPy's ``wsgiserver`` on the native server: the original's names, arguments and attributes.

::

    from cherrystone import wsgiserver

    def my_crazy_app(environ, start_response):
        start_response("200 OK", [("Content-type", "text/plain")])
        return [b"Hello world!"]

    server = wsgiserver.CherryPyWSGIServer(("0.0.0.0", 8070), my_crazy_app, server_name="www.cherrypy.example")
    server.start()

What a name can still do, where it is not what it was, is said in its own documentation.
"""

from ._readers import ChunkedRFile, KnownLengthRFile, SizeCheckWrapper
from .errors import FatalSSLAlert, MaxSizeExceeded, NoSSLError
from .server import Gateway, HTTPConnection, HTTPRequest, HTTPServer
from .ssl import SSLAdapter, get_ssl_adapter_class, ssl_adapters
from .workers.threadpool import ThreadPool, WorkerThread
from .wsgi import Server, WSGIGateway, WSGIGateway_10, WSGIGateway_u0, WSGIPathInfoDispatcher, wsgi_gateways

__all__ = [
    "CP_fileobject",
    "CherryPyWSGIServer",
    "ChunkedRFile",
    "FatalSSLAlert",
    "Gateway",
    "HTTPConnection",
    "HTTPRequest",
    "HTTPServer",
    "KnownLengthRFile",
    "MaxSizeExceeded",
    "NoSSLError",
    "SSLAdapter",
    "SizeCheckWrapper",
    "ThreadPool",
    "WSGIGateway",
    "WSGIGateway_10",
    "WSGIGateway_u0",
    "WSGIPathInfoDispatcher",
    "WorkerThread",
    "get_ssl_adapter_class",
    "ssl_adapters",
    "wsgi_gateways",
]


class CherryPyWSGIServer(Server):
    """``cherrystone.wsgi.Server`` under the original's name, with the original's arguments."""

    def __init__(
        self,
        bind_addr,
        wsgi_app,
        numthreads=10,
        server_name=None,
        max=-1,
        request_queue_size=1024,
        timeout=10,
        shutdown_timeout=5,
    ):
        super().__init__(bind_addr, wsgi_app, numthreads, server_name, max, request_queue_size, timeout, shutdown_timeout)


class CP_fileobject:
    """A socket as a file. Kept for code that names it: the sockets of the server are native, and none is given out as a file."""

    def __init__(self, sock, mode="rb", bufsize=-1):
        #: The socket, if somebody made one of these.
        self._sock = sock
        self._file = sock.makefile(mode, bufsize) if sock is not None else None

    def sendall(self, data):
        """Sends all of the data."""
        self._sock.sendall(data)

    def __getattr__(self, name):
        return getattr(self._file, name)
