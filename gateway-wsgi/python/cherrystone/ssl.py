"""TLS for servers in Python.

An ``Adapter`` names the files; the work is native. ``server.ssl_adapter`` takes one before the server is prepared.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Type, Union

__all__ = ["Adapter", "SSLAdapter", "get_ssl_adapter_class", "ssl_adapters"]


class Adapter:
    """A certificate and its key, and who may connect."""

    #: ``"none"``, ``"optional"`` or ``"required"``: whether clients show a certificate.
    client_auth = "none"
    #: The file of certificates of those who sign those of clients, PEM.
    client_ca: Optional[str] = None
    #: The lowest version of TLS: ``"1.2"`` or ``"1.3"``.
    minimum_version = "1.2"

    def __init__(
        self,
        certificate: str,
        private_key: str,
        certificate_chain: Optional[str] = None,
        ciphers: Any = None,
        *,
        private_key_password: Union[None, str, bytes, Any] = None,
    ) -> None:
        #: The file of the certificate, PEM; those between it and a root may follow in it.
        self.certificate = certificate
        #: The file of the private key, PEM.
        self.private_key = private_key
        #: A file of the certificates between it and a root, PEM, if they do not follow in the first file.
        self.certificate_chain = certificate_chain
        #: Kept for code that sets it: the suites are those of TLS 1.3 and the forward-secret ones of TLS 1.2.
        self.ciphers = ciphers
        if private_key_password is not None:
            raise NotImplementedError("the private key has to be stored without a password")

    def bind(self, sock: Any) -> Any:
        """Kept for code that calls it: gives the socket back."""
        return sock

    def wrap(self, sock: Any) -> Any:
        """Refuses: sockets are native, and no Python code sees them."""
        raise NotImplementedError("TLS is native: assign the adapter to server.ssl_adapter")

    def get_environ(self) -> Dict[str, str]:
        """Nothing: the server puts the variables of TLS into environments by itself."""
        return {}


    def native_options(self) -> Dict[str, Optional[str]]:
        """What the native server is told."""
        names = ("certificate", "private_key", "certificate_chain", "client_ca", "client_auth", "minimum_version")
        return {name: getattr(self, name) for name in names}


SSLAdapter = Adapter

#: The adapters by name: all are the same native one.
ssl_adapters: Dict[str, Type[Adapter]] = {"builtin": Adapter, "pyopenssl": Adapter}


def get_ssl_adapter_class(name: str = "builtin") -> Type[Adapter]:
    """The adapter of this name."""
    return ssl_adapters[name.lower()]
