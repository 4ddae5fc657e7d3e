"""The command line: ``python -m cherrystone module:application``.

An application that cannot be imported or a server that cannot start is told with its traceback on the standard error stream, and the
exit status is 1; nothing listens before the application is there.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import traceback
from typing import Any, List, Optional, Sequence

from . import __version__, _addresses, _supervisor, server, ssl, wsgi

__all__ = ["load", "main"]

EXAMPLES = """\
examples:
  python -m cherrystone module:application
  python -m cherrystone package.module:site.app --bind 0.0.0.0:80 --bind [::]:80 --workers 4 --access-log -
  python -m cherrystone module:create_app --factory --bind unix:/run/site.sock --unix-mode 660
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Serves as the arguments say, and gives the exit status."""
    occupy_standard_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    if bool(options.tls_cert) != bool(options.tls_key) or options.tls_client_ca and not options.tls_cert:
        parser().error("TLS needs both --tls-cert and --tls-key")
    try:
        if not options.worker and (options.workers > 1 or options.reload):
            return _supervisor.supervise(options, given)
        return serve(options)
    except OSError as error:
        print(f"cherrystone: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"cherrystone: {error}", file=sys.stderr)
        return 2


def occupy_standard_streams() -> None:
    """Puts the null device where a standard stream was closed: a socket with its number would get what anybody writes there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, and so this one; kept by programs that the application starts.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def serve(options: argparse.Namespace) -> int:
    """Serves in this process until a signal."""
    if options.chdir:
        os.chdir(options.chdir)
    sys.path.insert(0, os.getcwd())
    try:
        application = load(options.application, options.factory)
    except BaseException:
        # Also what an application's module does by itself to end the process: it is no server yet.
        traceback.print_exc()
        print(f"cherrystone: {options.application} cannot be served", file=sys.stderr)
        return 1
    served = make_server(application, options)
    served.prepare()
    listen_for_signals(served)
    if options.worker:
        _supervisor.ignore_interrupts()
        _supervisor.report_ready(options.worker, served, options.reload)
    else:
        for address in served.bound_addresses:
            print("listening on", _addresses.to_url(address, served.scheme), flush=True)
    try:
        served.serve()
    finally:
        served.stop()
    return _supervisor.CHANGED if getattr(served, "changed", False) else 0


def load(name: str, factory: bool = False) -> Any:
    """The application that ``module:attribute`` names; the attribute is ``application`` by default.

    Raises what the import raises, and ``TypeError`` for something that cannot be called.
    """
    module_name, _, path = name.partition(":")
    thing: Any = importlib.import_module(module_name)
    for attribute in (path or "application").split("."):
        thing = getattr(thing, attribute)
    if factory:
        thing = thing()
    if not callable(thing):
        raise TypeError(f"{name} is no application: it cannot be called")
    return thing


def make_server(application: Any, options: argparse.Namespace) -> server.HTTPServer:
    """The server that the options ask for."""
    addresses = options.bind or ["127.0.0.1:8070"]
    first, *others = [address_of(text) for text in addresses]
    minimum, maximum = options.threads
    served: server.HTTPServer
    if isinstance(application, type) and issubclass(application, server.Gateway):
        served = server.HTTPServer(first, application, minimum, maximum, options.server_name)
    else:
        served = wsgi.Server(first, application, minimum, options.server_name, maximum)
    served.more_addresses = others
    served.multiprocess = bool(options.worker) and options.workers > 1
    for name in ("backend", "loops", "max_connections", "timeout", "idle_timeout", "head_timeout", "body_rate", "send_rate",
                 "reuse_port", "proxy_protocol", "forwarded", "x_forwarded", "unix_mode", "chunked_input", "access_log", "access_log_format"):  # fmt: skip
        setattr(served, name, getattr(options, name))
    if options.tls_cert:
        served.ssl_adapter = adapter = ssl.Adapter(options.tls_cert, options.tls_key)
        adapter.client_ca, adapter.minimum_version = options.tls_client_ca, options.tls_min
        adapter.client_auth = options.tls_client_auth or ("required" if options.tls_client_ca else "none")
    served.requests.accepted_queue_size = options.queue
    served.request_queue_size = options.backlog
    served.shutdown_timeout = options.stop_timeout
    served.max_request_header_size = options.max_head
    served.max_header_fields = options.max_fields
    served.max_request_body_size = options.max_body or 0
    return served


def address_of(text: str) -> _addresses.Address:
    """The address that a person wrote; what it means is for the native server to say."""
    if text.startswith(("fd:", "/", "@")) or text == "systemd":
        return text
    if text.startswith("unix:"):
        return text[5:]
    host, found, port = text.rpartition(":")
    if not found or not host or not port.isdigit():
        raise ValueError(f"cannot listen at {text!r}: write HOST:PORT, such as 127.0.0.1:8070, unix:PATH or unix:@NAME")
    return host, int(port)


def listen_for_signals(served: server.HTTPServer) -> None:
    """The first SIGINT or SIGTERM lets requests end, the second cuts them. SIGHUP reads certificates and opens the access log anew."""

    def on_signal(number: int, frame: Any) -> None:
        ending = served._ending
        if ending is None:
            served._begin_stop()
        else:
            ending[0].cut()

    def on_hangup(number: int, frame: Any) -> None:
        try:
            served.reload()
        except (OSError, ValueError) as error:
            served.error_log(f"the certificates stay as they are: {error}", level=40)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGHUP, on_hangup)


# ---- the arguments


def parser() -> argparse.ArgumentParser:
    """What can be said on the command line."""
    top = argparse.ArgumentParser(
        prog="python -m cherrystone",
        description="Serve a WSGI application over HTTP/1.1.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = top.add_argument
    add("application", help="MODULE:NAME of the application, or of a class of gateways (NAME: application)")
    add("--version", action="version", version=f"cherrystone {__version__}")
    add("--factory", action="store_true", help="call NAME, it returns the application")
    add("--bind", "-b", action="append", metavar="ADDR", help="HOST:PORT, unix:PATH or unix:@NAME; again for more (127.0.0.1:8070)")
    add("--chdir", metavar="DIR", help="work in DIR, and import from there")
    add("--server-name", metavar="NAME", help="SERVER_NAME (the name of the machine)")
    add("--workers", type=positive, default=1, metavar="N", help="processes that share the port (1)")
    add("--reload", action="store_true", help="start anew when a module changes, for development")
    add("--access-log", metavar="FILE", help="a line for each request, to a file or - (none)")
    add("--access-log-format", choices=["combined", "json"], default="combined", help="how such a line looks (combined)")
    add("--chunked-input", choices=["spool", "stream"], default="spool", help="receive content without a length before the call (spool)")
    add("--worker", type=handles, help=argparse.SUPPRESS)

    run = top.add_argument_group("server").add_argument
    run("--backend", choices=["threads", "mio"], default="threads", help="what drives the connections (threads)")
    run("--threads", type=threads, default=(10, -1), metavar="MIN:MAX", help="worker threads (10:100)")
    run("--queue", type=positive, default=1024, metavar="N", help="requests that may wait for a thread (1024)")
    run("--loops", type=positive, default=1, metavar="N", help="event loops of mio (1)")
    run("--max-connections", type=positive, default=10_000, metavar="N", help="open connections (10000)")
    run("--max-head", type=head, default=32_768, metavar="BYTES", help="head of a request (32K)")
    run("--max-fields", type=positive, default=100, metavar="N", help="header lines of a request (100)")
    run("--max-body", type=optional(size), default=1 << 30, metavar="BYTES", help="content of a request, or none (1G)")
    run("--timeout", type=optional(seconds), default=30, metavar="S", help="pause of a client while it sends or receives (30)")
    run("--head-timeout", type=optional(seconds), default=30, metavar="S", help="for a whole head (30)")
    run("--idle-timeout", type=optional(seconds), default=60, metavar="S", help="between requests (60)")
    run("--body-rate", type=size, default=512, metavar="BYTES", help="slowest upload per second (512)")
    run("--send-rate", type=size, default=512, metavar="BYTES", help="slowest download per second (512)")
    run("--stop-timeout", type=seconds, default=5, metavar="S", help="for requests under way at a stop (5)")
    run("--backlog", type=positive, default=1024, metavar="N", help="connections that wait to be accepted (1024)")
    run("--reuse-port", action="store_true", help="share the port with other processes")
    run("--unix-mode", type=octal, metavar="MODE", help="permissions of a unix socket, octal")
    run("--proxy-protocol", metavar="CIDR,...", help="expect the PROXY protocol from these networks only")
    run("--forwarded", metavar="CIDR,...", help="believe Forwarded from these networks")
    run("--x-forwarded", metavar="CIDR,...", help="believe X-Forwarded-For, -Proto and -Host from these networks")

    tls = top.add_argument_group("TLS").add_argument
    tls("--tls-cert", metavar="FILE", help="certificate chain, PEM")
    tls("--tls-key", metavar="FILE", help="private key, PEM")
    tls("--tls-client-ca", metavar="FILE", help="who signs certificates of clients, PEM")
    tls("--tls-client-auth", choices=["none", "optional", "required"], help="whether clients show one")
    tls("--tls-min", choices=["1.2", "1.3"], default="1.2", help="lowest version (1.2)")
    return top


def positive(text: str) -> int:
    """A whole number above zero."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def size(text: str) -> int:
    """Octets, with K, M or G behind the number."""
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:].upper(), 1)
    value = int(text if factor == 1 else text[:-1]) * factor
    if value < 0:
        raise ValueError
    return value


def head(text: str) -> int:
    """Octets that a head may have."""
    value = size(text)
    if value > 65_535:
        raise ValueError
    return value


def seconds(text: str) -> float:
    """A time that is not negative."""
    value = float(text)
    if not 0 <= value < 1e9:
        raise ValueError
    return value


def optional(kind: Any) -> Any:
    """A value of this kind, or ``none``."""

    def parse(text: str) -> Any:
        return None if text == "none" else kind(text)

    parse.__name__ = kind.__name__
    return parse


def threads(text: str) -> tuple:
    """``MIN:MAX``, or one number for both."""
    minimum, found, maximum = text.partition(":")
    return positive(minimum), positive(maximum if found else minimum)


def octal(text: str) -> int:
    """Permissions such as 660."""
    return int(text, 8)


def handles(text: str) -> List[int]:
    """The descriptors through which a worker and its supervisor know of each other."""
    return [int(number) for number in text.split(",")]
