"""Servers and clients for the tests."""

import http.client
import socket
import threading
import time

import pytest
from cherrystone import wsgi


@pytest.fixture(params=["threads", "mio"])
def backend(request):
    """Every test that serves runs on both backends."""
    return request.param


class Served:
    """A server in a thread, and what it logged."""

    def __init__(self, server):
        self.server = server
        self.logged = []
        server.error_log = lambda msg="", level=20, traceback=False: self.logged.append(msg)
        server.prepare()
        self.ended = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self.server.serve()
            self.ended.append(None)
        except BaseException as error:
            self.ended.append(error)

    @property
    def address(self):
        return self.server.bind_addr

    def log_has(self, text, within=3):
        """Whether the server has logged this by now, or soon."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if any(text in line for line in self.logged):
                return True
            time.sleep(0.01)
        return False

    def connect(self, timeout=5):
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        client = socket.socket(family)
        client.settimeout(timeout)
        client.connect(self.address)
        return client

    def exchange(self, data, timeout=5):
        """Sends octets and returns everything that comes back until the server closes."""
        with self.connect(timeout) as client:
            client.sendall(data)
            return receive_all(client)

    def request(self, method, path, body=None, headers=None, **options):
        """One request by the client of the standard library; returns the response with its content in ``content``."""
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        try:
            connection.request(method, path, body, headers or {}, **options)
            response = connection.getresponse()
            response.content = response.read()
            return response
        finally:
            connection.close()

    def get(self, path="/", **headers):
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def stop(self):
        self.server.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


def receive_all(client):
    """Everything that comes until the other side ends or resets."""
    pieces = []
    while True:
        try:
            piece = client.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)


@pytest.fixture
def serve(backend):
    """Serves an application until the end of the test: ``serve(app, timeout=1)``."""
    running = []

    def start(application, address=("127.0.0.1", 0), server_class=wsgi.Server, **attributes):
        server = server_class(address, application, numthreads=attributes.pop("numthreads", 4), server_name="test.example")
        server.backend = backend
        server.requests.max = attributes.pop("maxthreads", server.requests.max)
        server.shutdown_timeout = 2
        for name, value in attributes.items():
            assert hasattr(server, name), name
            setattr(server, name, value)
        served = Served(server)
        running.append(served)
        return served

    yield start
    for served in running:
        served.stop()


def get(path="/", *lines, method="GET", version="1.1", close=True):
    """The octets of a request without content."""
    fields = [f"{method} {path} HTTP/{version}", "Host: h", *lines]
    if close:
        fields.append("Connection: close")
    return "\r\n".join(fields + ["", ""]).encode("latin-1")


def showing(*keys):
    """An application that answers with some of its environment."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr([environ.get(key) for key in keys]).encode()]

    return app


def ask(served, request):
    """What such an application answers."""
    return eval(served.exchange(request).partition(b"\r\n\r\n")[2])


def app_of(status="200 OK", headers=(), content=(b"hello",)):
    """An application that answers always the same."""

    def app(environ, start_response):
        start_response(status, list(headers))
        return content

    return app


def body(answer):
    """The content of an answer that is not chunked."""
    return answer.partition(b"\r\n\r\n")[2]


class Closing:
    """An iterable that records what is done to it."""

    def __init__(self, pieces):
        self.pieces = iter(pieces)
        self.asked = 0
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.asked += 1
        piece = next(self.pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece() if callable(piece) else piece

    def close(self):
        self.closed += 1


def until(condition, within=5):
    """Waits for something to come true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Authority:
    """Signs certificates for servers and clients, and asks servers that have one."""

    def __init__(self, directory):
        import trustme

        self.directory = directory
        self.ca = trustme.CA()
        self.other = trustme.CA()
        self.file = str(directory / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)
        self.renew()

    def renew(self):
        """Writes another certificate for the server."""
        issued = self.ca.issue_cert("localhost", "127.0.0.1")
        self.certificate, self.key = str(self.directory / "cert.pem"), str(self.directory / "key.pem")
        issued.private_key_pem.write_to_path(self.key)
        with open(self.certificate, "wb") as file:
            file.write(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return issued

    def adapter(self, **attributes):
        from cherrystone import ssl

        adapter = ssl.Adapter(self.certificate, self.key)
        for name, value in attributes.items():
            assert hasattr(adapter, name), name
            setattr(adapter, name, value)
        return adapter

    def context(self, client=None):
        """What a client trusts, and the certificate that it shows."""
        import ssl

        context = ssl.create_default_context(cafile=self.file)
        if client is not None:
            client.configure_cert(context)
        return context

    def request(self, served, method, path, body=None, headers=None, client=None):
        connection = http.client.HTTPSConnection(*served.address, timeout=10, context=self.context(client))
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            response.content = response.read()
            return response
        finally:
            connection.close()

    def get(self, served, path="/", client=None):
        return self.request(served, "GET", path, client=client)

    def post(self, served, path, content, media_type):
        return self.request(served, "POST", path, content, {"Content-Type": media_type})


@pytest.fixture
def authority(tmp_path):
    """A certificate authority of this test."""
    pytest.importorskip("trustme")
    return Authority(tmp_path)
