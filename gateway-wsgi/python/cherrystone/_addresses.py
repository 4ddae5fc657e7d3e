"""Where a server listens, in the form of Python's sockets and in that of the native server."""

from __future__ import annotations

from typing import Tuple, Union

Address = Union[Tuple[str, int], str]


def to_text(address: Address) -> str:
    """The text that the native server understands for ``(host, port)``, a path, or an abstract name.

    An abstract name begins with a NUL, as Python's sockets have it, or with an ``@``.
    """
    if isinstance(address, (str, bytes)):
        name = address.decode() if isinstance(address, bytes) else address
        if not name:
            raise ValueError("the path of the socket is empty")
        if name[0] in "\0@":
            return "unix:@" + name[1:]
        return name if name.startswith("fd:") or name == "systemd" else "unix:" + name
    host, port = address[:2]
    if not host:
        raise ValueError("Host values of '' or None are not allowed. Use '0.0.0.0' (IPv4) or '::' (IPv6) to listen on all interfaces.")
    host = host.strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def from_text(text: str) -> Address:
    """The address that the native server says it listens at."""
    if text.startswith("unix:@"):
        return "\0" + text[6:]
    if text.startswith("unix:"):
        return text[5:]
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def to_url(address: Address, scheme: str) -> str:
    """The address as a client would write it."""
    if isinstance(address, str):
        return "unix:" + address.replace("\0", "@", 1)
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
