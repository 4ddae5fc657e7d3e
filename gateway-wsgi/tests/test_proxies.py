"""Who the client is behind a proxy."""

import pytest
from conftest import get


def whoami(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST")
    return [" ".join(environ[name] for name in names).encode()]


FORGED = b"X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n"


def ask(served, header=b"", fields=b""):
    return served.exchange(header + b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + fields + b"\r\n")


def test_the_proxy_protocol_names_the_client(serve):
    served = serve(whoami, proxy_protocol="127.0.0.1")
    assert ask(served, b"PROXY TCP4 192.0.2.7 198.51.100.2 4711 80\r\n").endswith(b"192.0.2.7 http h")
    assert ask(served) == b""


def test_fields_of_trusted_proxies_name_the_client(serve):
    assert ask(serve(whoami, x_forwarded="127.0.0.1"), fields=FORGED).endswith(b"192.0.2.1 https shop.example")
    served = serve(whoami, forwarded="127.0.0.1")
    assert ask(served, fields=b"Forwarded: for=192.0.2.2;proto=https\r\n").endswith(b"192.0.2.2 https h")


def test_nobody_is_believed_until_it_is_asked_for(serve):
    for served in (serve(whoami), serve(whoami, x_forwarded="10.0.0.0/8")):
        assert ask(served, fields=FORGED).endswith(b"127.0.0.1 http h")
        assert served.exchange(b"PROXY TCP4 192.0.2.7 198.51.100.2 4711 80\r\n" + get()).startswith(b"HTTP/1.1 400")


def test_nonsense_is_refused_by_name(serve):
    for name in ("proxy_protocol", "forwarded", "x_forwarded"):
        with pytest.raises(ValueError, match="10.1.2.3/8"):
            serve(whoami, **{name: "10.1.2.3/8"})
    with pytest.raises(ValueError, match="both"):
        serve(whoami, forwarded="127.0.0.1", x_forwarded="127.0.0.1")
