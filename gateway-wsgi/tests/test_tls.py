"""TLS, and what applications are told of it."""

import http.client
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from cherrystone import ssl as adapters
from cherrystone import wsgi
from conftest import receive_all, showing


def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


def test_variables(serve, authority):
    keys = ("wsgi.url_scheme", "HTTPS", "SSL_PROTOCOL", "SSL_CIPHER", "SSL_TLS_SNI", "SSL_CLIENT_VERIFY", "SSL_SERVER_S_DN_O",
            "SSL_CLIENT_S_DN", "SERVER_PORT")  # fmt: skip
    served = serve(showing(*keys), ssl_adapter=authority.adapter())
    assert served.server.url.startswith("https://")
    for _ in range(2):
        told = dict(zip(keys, eval(authority.get(served).content)))
        assert (told["wsgi.url_scheme"], told["HTTPS"], told["SSL_PROTOCOL"]) == ("https", "on", "TLSv1.3")
        assert told["SSL_CIPHER"] and told["SSL_SERVER_S_DN_O"].startswith("trustme")
        assert (told["SSL_CLIENT_VERIFY"], told["SSL_CLIENT_S_DN"]) == ("NONE", None)
        assert told["SERVER_PORT"] == str(served.address[1])


def test_nothing_of_tls_without_tls(serve):
    assert eval(serve(showing("HTTPS", "SSL_PROTOCOL", "wsgi.url_scheme")).get().content) == [None, None, "http"]


@pytest.mark.parametrize("mode", ["none", "optional", "required"])
def test_certificates_of_clients(serve, authority, mode):
    keys = ("SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN", "SSL_CLIENT_CERT", "SSL_CLIENT_M_SERIAL", "SSL_CLIENT_V_REMAIN")
    adapter = authority.adapter(client_auth=mode, client_ca=authority.file)
    served = serve(showing(*keys), ssl_adapter=adapter)
    known, stranger = authority.ca.issue_cert("client@example.org"), authority.other.issue_cert("stranger@example.org")

    def verdict(client):
        try:
            return eval(authority.get(served, client=client).content)
        except (OSError, http.client.HTTPException):
            return "refused"

    told = verdict(known)
    if mode == "none":
        assert told[0] == "NONE"
    else:
        assert told[0] == "SUCCESS" and "trustme" in told[1] and told[2].startswith("-----BEGIN CERTIFICATE-----\n")
        assert told[3] and told[4].isdigit()
    assert (verdict(None) == "refused") == (mode == "required")
    assert (verdict(stranger) == "refused") == (mode != "none")
    assert verdict(known) == told and not served.logged


def test_a_chain_in_a_file_of_its_own(serve, authority, tmp_path):
    between = authority.ca.create_child_ca()
    issued = between.issue_cert("127.0.0.1")
    certificate, chain, key = (str(tmp_path / name) for name in ("leaf.pem", "chain.pem", "leaf.key"))
    issued.cert_chain_pems[0].write_to_path(certificate)
    between.cert_pem.write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    served = serve(hello, ssl_adapter=adapters.Adapter(certificate, key, chain))
    assert authority.get(served).content == b"hello"


def test_versions(serve, authority):
    served = serve(hello, ssl_adapter=authority.adapter(minimum_version="1.3"))
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(served.address) as plain, pytest.raises(OSError):
        context.wrap_socket(plain, server_hostname="127.0.0.1")
    assert authority.get(served).content == b"hello"


def test_plain_http_at_a_secured_port(serve, authority):
    served = serve(hello, ssl_adapter=authority.adapter())
    for method in (b"GET", b"PROPFIND"):
        raw = served.exchange(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert raw.startswith(b"HTTP/1.1 400 ") and b"hello" not in raw
    assert authority.get(served).content == b"hello"


def test_silent_clients_do_not_delay_others(serve, authority):
    served = serve(hello, numthreads=1, maxthreads=1, ssl_adapter=authority.adapter())
    silent = [served.connect() for _ in range(20)]
    assert authority.get(served).content == b"hello"
    for client in silent:
        client.close()


def test_new_certificates_without_a_restart(serve, authority):
    served = serve(hello, ssl_adapter=authority.adapter())

    def serial():
        with socket.create_connection(served.address) as plain:
            with authority.context().wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                return secured.getpeercert()["serialNumber"]

    first = serial()
    authority.renew()
    assert serial() == first
    served.server.reload()
    assert serial() != first
    with open(authority.certificate, "w") as file:
        file.write("nonsense")
    with pytest.raises(ValueError):
        served.server.reload()
    assert authority.get(served).content == b"hello"


def test_large_content_both_ways(serve, authority):
    def app(environ, start_response):
        content = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return iter([content, content])

    content = bytes(range(256)) * 5_000
    served = serve(app, ssl_adapter=authority.adapter())
    assert authority.post(served, "/", content, "text/plain").content == content * 2


def test_files_that_do_not_work(authority, tmp_path):
    for adapter, error in (
        (adapters.Adapter(str(tmp_path / "missing"), authority.key), OSError),
        (adapters.Adapter(authority.key, authority.key), ValueError),
        (adapters.Adapter(authority.certificate, authority.certificate), ValueError),
        (authority.adapter(client_auth="required"), ValueError),
        (authority.adapter(client_auth="other"), ValueError),
        (authority.adapter(minimum_version="1.1"), ValueError),
    ):
        server = wsgi.Server(("127.0.0.1", 0), hello)
        server.ssl_adapter = adapter
        with pytest.raises(error):
            server.prepare()
    with pytest.raises(TypeError):
        adapters.Adapter(authority.certificate, authority.key, private_key_password=12)


def encrypted(authority, tmp_path, form):
    """The key of the server, stored with a password."""
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    with open(authority.key, "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    path = tmp_path / "encrypted.pem"
    form = getattr(serialization.PrivateFormat, form)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"s\xc3\xa9cret")))
    return str(path)


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_an_encrypted_key_is_opened_by_its_password(serve, authority, tmp_path, form):
    key = encrypted(authority, tmp_path, form)
    for password in ("s\xe9cret", b"s\xc3\xa9cret", lambda: "s\xe9cret", lambda: b"s\xc3\xa9cret"):
        served = serve(hello, ssl_adapter=adapters.Adapter(authority.certificate, key, private_key_password=password))
        assert authority.get(served).content == b"hello"
        served.server.reload()
        assert authority.get(served).content == b"hello"
    # A password that nothing needs is no error.
    served = serve(hello, ssl_adapter=authority.adapter(private_key_password="unused"))
    assert authority.get(served).content == b"hello"


def test_a_key_that_stays_shut(authority, tmp_path, monkeypatch):
    key = encrypted(authority, tmp_path, "PKCS8")
    for password, error, text in (
        ("wrong", ValueError, "does not open"),
        (lambda: 5, TypeError, "str or bytes"),
        (None, ValueError, "no private_key_password"),
    ):
        server = wsgi.Server(("127.0.0.1", 0), hello)
        server.ssl_adapter = adapters.Adapter(authority.certificate, key, private_key_password=password)
        monkeypatch.setattr("sys.stdin", None)
        with pytest.raises(error, match=text):
            server.prepare()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    server.ssl_adapter.private_key_password = "secret"
    with pytest.raises(ValueError, match="openssl pkey"):
        server.prepare()


def test_from_the_command_line(authority, tmp_path):
    (tmp_path / "good.py").write_text("from test_tls import hello as application\n")
    flags = ["--bind", "127.0.0.1:0", "--tls-cert", authority.certificate, "--tls-key", authority.key]
    import os

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen([sys.executable, "-m", "cherrystone", "good", *flags], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
                               env=environment)
    url = process.stdout.readline().split()[-1]
    assert url.startswith("https://127.0.0.1:")
    client = http.client.HTTPSConnection("127.0.0.1", int(url.rpartition(":")[2]), context=authority.context(), timeout=10)
    client.request("GET", "/")
    assert client.getresponse().read() == b"hello"
    client.close()
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0
    broken = subprocess.run([sys.executable, "-m", "cherrystone", "good", *flags[:4]], cwd=tmp_path, capture_output=True, text=True,
                            env=environment, timeout=20)
    assert broken.returncode == 2 and "--tls-key" in broken.stderr


def test_many_clients_at_once(serve, authority):
    served = serve(hello, ssl_adapter=authority.adapter())
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(authority.get(served).content)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"hello"] * 16


def test_receive_ends_when_the_server_does(serve, authority):
    served = serve(hello, ssl_adapter=authority.adapter())
    with socket.create_connection(served.address, timeout=5) as plain:
        with authority.context().wrap_socket(plain, server_hostname="127.0.0.1") as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            assert receive_all(secured).endswith(b"hello")
