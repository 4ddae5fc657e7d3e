"""TLS for servers in Python.

An ``Adapter`` names the files; the work is native. ``server.ssl_adapter`` takes one before the server is prepared.

A private key that is stored encrypted is decrypted with the help of the package ``cryptography``, which is needed for nothing else.
"""

from __future__ import annotations

import getpass
import sys
from typing import Any, Callable, Dict, Optional, Type, Union

#: What opens a private key: the password, or a function that returns it.
Password = Union[None, str, bytes, Callable[[], Union[str, bytes]]]

__all__ = ["Adapter", "BuiltinSSLAdapter", "SSLAdapter", "get_ssl_adapter_class", "pyOpenSSLAdapter", "ssl_adapters"]


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
        private_key_password: Password = None,
    ) -> None:
        #: The file of the certificate, PEM; those between it and a root may follow in it.
        self.certificate = certificate
        #: The file of the private key, PEM.
        self.private_key = private_key
        #: A file of the certificates between it and a root, PEM, if they do not follow in the first file.
        self.certificate_chain = certificate_chain
        #: Kept for code that sets it: the suites are those of TLS 1.3 and the forward-secret ones of TLS 1.2.
        self.ciphers = ciphers
        if private_key_password is not None and not (isinstance(private_key_password, (str, bytes)) or callable(private_key_password)):
            kind = type(private_key_password).__name__
            raise TypeError(f"the password is a str, bytes, or a function that returns one, not {kind}")
        #: What opens the private key if it is encrypted: ``str``, ``bytes``, or a function that is called for it. ``None`` asks at the
        #: terminal.
        self.private_key_password = private_key_password

    def bind(self, sock: Any) -> Any:
        """Kept for code that calls it: gives the socket back."""
        return sock

    def wrap(self, sock: Any) -> Any:
        """Refuses: sockets are native, and no Python code sees them."""
        raise NotImplementedError("TLS is native: assign the adapter to server.ssl_adapter")

    def get_environ(self) -> Dict[str, str]:
        """Nothing: the server puts the variables of TLS into environments by itself."""
        return {}

    def native_options(self) -> Dict[str, Any]:
        """What the native server is told."""
        names = ("certificate", "private_key", "certificate_chain", "client_ca", "client_auth", "minimum_version")
        return {**{name: getattr(self, name) for name in names}, "private_key_text": self._decrypted()}

    def _decrypted(self) -> Optional[bytes]:
        """The private key as PEM text, if the one in the file is encrypted."""
        with open(self.private_key, "rb") as file:
            text = file.read()
        if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in text and b"Proc-Type: 4,ENCRYPTED" not in text:
            return None
        try:
            from cryptography.hazmat.primitives import serialization
        except ImportError:
            raise ValueError(
                f"the private key in {self.private_key} is encrypted: install the package cryptography, or decrypt the key with"
                " `openssl pkey` and protect the file by its permissions"
            ) from None
        password = self._password()
        try:
            key = serialization.load_pem_private_key(text, password)
        except ValueError:
            # What the package says of it is about paddings and primitives.
            raise ValueError(f"the password does not open the private key in {self.private_key}") from None
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _password(self) -> bytes:
        password = self.private_key_password
        if callable(password):
            password = password()
        if password is None:
            if sys.stdin is None or not sys.stdin.isatty():
                raise ValueError(f"the private key in {self.private_key} is encrypted, and there is no private_key_password")
            password = getpass.getpass(f"Password of {self.private_key}: ")
        if not isinstance(password, (str, bytes)):
            raise TypeError(f"the password is a str or bytes, not {type(password).__name__}")
        return password.encode() if isinstance(password, str) else password


SSLAdapter = Adapter
#: Names that CherryPy's modules have for their adapters.
BuiltinSSLAdapter = pyOpenSSLAdapter = Adapter

#: The adapters by name: all are the same native one.
ssl_adapters: Dict[str, Type[Adapter]] = {"builtin": Adapter, "pyopenssl": Adapter}


def get_ssl_adapter_class(name: str = "builtin") -> Type[Adapter]:
    """The adapter of this name."""
    return ssl_adapters[name.lower()]
