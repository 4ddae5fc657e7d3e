"""The attributes of a server, as the native one is told of them."""

from __future__ import annotations

from typing import Any, Dict

__all__ = ["native_options"]


def native_options(server: Any) -> Dict[str, Any]:
    """What the native server is told."""
    minimum, maximum, queue = server.requests.min, server.requests.max, server.requests.accepted_queue_size
    idle = server.timeout if server.idle_timeout is None else server.idle_timeout
    head = server.timeout if server.head_timeout is None else server.head_timeout
    resolve = "names" if server.peercreds_resolve_enabled else "numbers"
    return {
        "backend": server.backend,
        "server_name": server.server_name,
        "software": server.software,
        "min_threads": minimum,
        "max_threads": max(100, minimum) if maximum < 0 else maximum,
        "growth_delay": server.growth_delay,
        "queue": 1024 if queue is None or queue < 0 else queue,
        "max_connections": server.max_connections,
        "loops": server.loops,
        # CherryPy sets 500 KiB.
        "max_head": min(server.max_request_header_size or 65_535, 65_535),
        "max_fields": server.max_header_fields,
        "max_body": server.max_request_body_size or None,
        "head_timeout": head,
        "idle_timeout": idle,
        "io_timeout": server.timeout,
        "body_rate": server.body_rate,
        "send_rate": server.send_rate,
        "backlog": server.request_queue_size,
        "reuse_port": server.reuse_port,
        "proxy_protocol": server.proxy_protocol,
        "forwarded": server.forwarded,
        "x_forwarded": server.x_forwarded,
        "unix_mode": server.unix_mode,
        "peercreds": resolve if server.peercreds_enabled else "ignore",
        "chunked_input": server.chunked_input,
        "access_log": server.access_log,
        "access_log_format": server.access_log_format,
        "tls": None if server.ssl_adapter is None else server.ssl_adapter.native_options(),
    }
