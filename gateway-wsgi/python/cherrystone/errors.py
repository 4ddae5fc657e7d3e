"""Exceptions of the server."""

from ._cherrystone import InputError, InputUnavailable, MaxSizeExceeded

__all__ = ["FatalSSLAlert", "InputError", "InputUnavailable", "MaxSizeExceeded", "NoSSLError"]


class NoSSLError(Exception):
    """A client spoke plain HTTP to a TLS port.

    Kept for code that names it: the server answers such a client by itself, and nothing raises this.
    """


class FatalSSLAlert(Exception):
    """A client ended a TLS session with a fatal alert.

    Kept for code that names it: the server closes such a connection by itself, and nothing raises this.
    """
