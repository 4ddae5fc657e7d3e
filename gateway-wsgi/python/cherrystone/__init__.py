"""A fast, strict, production-ready WSGI server.

The protocol and the sockets are native code; an application is called as PEP 3333 says::

    from cherrystone import wsgi

    def hello(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"Hello, world!\\n"]

    wsgi.Server(("127.0.0.1", 8070), hello).start()

``cherrystone.wsgi`` has the server with the arguments that users of cheroot know, ``cherrystone.wsgiserver`` every name of CherryPy's
original module, and ``python -m cherrystone module:application`` starts one from a shell.
"""

from ._cherrystone import FileWrapper, InputError, InputUnavailable, MaxSizeExceeded, __version__

__all__ = ["FileWrapper", "InputError", "InputUnavailable", "MaxSizeExceeded", "__version__"]
