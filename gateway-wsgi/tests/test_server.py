"""The life of a server: addresses, starting, stopping, threads, limits."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from cherrystone import wsgi
from conftest import get, receive_all, until


def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


def test_prepare_makes_ready_and_stop_ends(serve):
    served = serve(hello)
    server = served.server
    assert server.ready and server.bind_addr[1] > 0
    assert server.url == f"http://127.0.0.1:{server.bind_addr[1]}"
    started = time.monotonic()
    server.stop()
    served.thread.join(1)
    assert not served.thread.is_alive() and time.monotonic() - started < 0.5
    assert not server.ready and served.ended == [None]
    server.stop()
    with socket.socket() as client, pytest.raises(OSError):
        client.connect(server.bind_addr)


def test_clients_may_connect_between_prepare_and_serve(backend):
    server = wsgi.Server(("127.0.0.1", 0), hello)
    server.backend = backend
    server.prepare()
    with pytest.raises(RuntimeError):
        server.prepare()
    client = socket.create_connection(server.bind_addr)
    client.sendall(get())
    thread = threading.Thread(target=server.serve)
    thread.start()
    assert receive_all(client).endswith(b"hello")
    client.close()
    server.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_stop_without_serve_closes_the_listener(backend):
    server = wsgi.Server(("127.0.0.1", 0), hello)
    server.backend = backend
    server.prepare()
    address = server.bind_addr
    server.stop()
    with pytest.raises(OSError):
        socket.create_connection(address)


def test_a_server_may_be_started_again(backend):
    server = wsgi.Server(("127.0.0.1", 0), hello)
    server.backend = backend
    def threads():
        # Those of Python, and where the system tells, all.
        tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
        return threading.active_count(), tasks

    for _ in range(5):
        before = threads()
        server.prepare()
        thread = threading.Thread(target=server.serve)
        thread.start()
        with socket.create_connection(server.bind_addr) as client:
            client.sendall(get())
            assert receive_all(client).endswith(b"hello")
        server.stop()
        thread.join(5)
        until(lambda: all(now <= then for now, then in zip(threads(), before)))
    assert server.runtime() > 0
    server.clear_stats()
    assert server.runtime() == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), RuntimeError("why"), OSError("why")])
def test_interrupt_ends_serve_with_the_exception(serve, error):
    served = serve(hello)
    assert served.server.interrupt is None
    served.server.interrupt = error
    served.thread.join(5)
    assert served.ended == [error] and served.server.interrupt is error


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_application_may_end_the_server(serve, error):
    def app(environ, start_response):
        raise error

    served = serve(app)
    served.exchange(get())
    served.thread.join(5)
    assert [type(ended) for ended in served.ended] == [error]


def test_other_exceptions_do_not(serve):
    class Odd(BaseException):
        pass

    def app(environ, start_response):
        raise Odd("odd")

    served = serve(app)
    for _ in range(30):
        assert served.get().status == 500
    assert served.thread.is_alive() and served.log_has("Odd: odd")


def test_a_request_may_stop_the_server(serve):
    def app(environ, start_response):
        served.server.stop()
        start_response("200 OK", [])
        return [b"last words"]

    served = serve(app)
    raw = served.exchange(get(close=False))
    assert raw.endswith(b"last words")
    served.thread.join(5)
    assert not served.thread.is_alive()


def test_stop_lets_requests_end_and_cuts_what_does_not(serve):
    entered, gate = threading.Event(), threading.Event()

    def app(environ, start_response):
        entered.set()
        gate.wait(20)
        start_response("200 OK", [])
        return [b"done"]

    served = serve(app)
    with served.connect(10) as client:
        client.sendall(get(close=False))
        assert entered.wait(5)
        threading.Timer(0.2, gate.set).start()
        served.server.stop()
        raw = receive_all(client)
    assert raw.endswith(b"done") and b"Connection: close" in raw

    entered.clear()
    gate.clear()
    served = serve(app, shutdown_timeout=0.3)
    with served.connect() as client:
        client.sendall(get())
        assert entered.wait(5)
        started = time.monotonic()
        served.server.stop()
        assert time.monotonic() - started < 3
        assert served.log_has("still at work")
        gate.set()


def test_addresses(tmp_path):
    for bad in (("", 80), (None, 80), ""):
        with pytest.raises(ValueError):
            wsgi.Server(bad, hello)
    for address in (("127.0.0.1", 0), ("localhost", 0), ("::1", 0), str(tmp_path / "socket"), "\0cherrystone-x", "@cherrystone-y"):
        server = wsgi.Server(address, hello)
        try:
            server.prepare()
        except OSError:
            assert address == ("::1", 0), address
            continue
        bound = server.bind_addr
        server.stop()
        if isinstance(address, tuple):
            assert isinstance(bound, tuple) and bound[1] > 0
        else:
            assert bound == address.replace("@", "\0")
    assert not (tmp_path / "socket").exists()


def test_a_stop_before_serve_lets_serve_return(backend):
    server = wsgi.Server(("127.0.0.1", 0), hello)
    server.backend = backend
    with pytest.raises(RuntimeError):
        server.serve()
    server.prepare()
    server.stop()
    server.serve()
    with pytest.raises(RuntimeError):
        server.serve()
    server.prepare()
    server.interrupt = KeyError("early")
    with pytest.raises(KeyError):
        server.serve()


def test_an_address_in_use_is_an_error(serve):
    served = serve(hello)
    server = wsgi.Server(served.address, hello)
    with pytest.raises(OSError):
        server.prepare()


def test_the_mode_of_a_unix_socket(serve, tmp_path):
    served = serve(hello, str(tmp_path / "s"), unix_mode=0o600)
    assert os.stat(served.address).st_mode & 0o777 == 0o600
    assert served.exchange(get()).endswith(b"hello")


def test_several_servers_share_a_port(serve, tmp_path):
    with pytest.raises(ValueError):
        serve(hello, reuse_port=True)
    with pytest.raises(ValueError):
        serve(hello, str(tmp_path / "s"), reuse_port=True)
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    first = serve(hello, held.getsockname(), reuse_port=True)
    second = serve(hello, held.getsockname(), reuse_port=True)
    held.close()
    assert first.address == second.address and first.get().content == b"hello"


def test_settings_that_cannot_work_are_refused(backend):
    for name, value in (("timeout", 0), ("timeout", -1), ("backend", "other"), ("chunked_input", "other"),
                        ("max_request_header_size", 10), ("unix_mode", 0o1777), ("software", "a\r\nb")):
        server = wsgi.Server(("127.0.0.1", 0), hello)
        setattr(server, name, value)
        with pytest.raises(ValueError):
            server.prepare()
        server.stop()


def test_limits_of_heads(serve):
    served = serve(hello, max_request_header_size=1000, max_header_fields=5)
    assert served.exchange(get("/" + "x" * 2000)).startswith(b"HTTP/1.1 414 ")
    assert served.exchange(get("/", "X: " + "x" * 2000)).startswith(b"HTTP/1.1 431 ")
    assert served.exchange(get("/", *["X: y"] * 5)).startswith(b"HTTP/1.1 431 ")
    assert served.exchange(get()).endswith(b"hello")


def test_timeouts(serve):
    served = serve(hello, timeout=0.4)
    with served.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        assert receive_all(client).startswith(b"HTTP/1.1 408 ")
    with served.connect() as client:
        client.sendall(get(close=False))
        raw = receive_all(client)
        assert raw.endswith(b"hello") and b"408" not in raw
    served = serve(hello, timeout=None, idle_timeout=0.3, head_timeout=0.3)
    with served.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        assert receive_all(client).startswith(b"HTTP/1.1 408 ")


def test_idle_clients_take_no_thread(serve):
    served = serve(hello, numthreads=1, maxthreads=1)
    clients = [served.connect() for _ in range(30)]
    for client in clients[:15]:
        client.sendall(get(close=False))
        assert client.recv(1000).endswith(b"hello")
    started = time.monotonic()
    assert served.get().content == b"hello"
    assert time.monotonic() - started < 1
    for client in clients:
        client.close()


def test_a_full_queue_is_a_503(backend):
    gate = threading.Event()

    def app(environ, start_response):
        gate.wait(10)
        return hello(environ, start_response)

    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=1, max=1, accepted_queue_size=1)
    server.backend = backend
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    clients = []
    for _ in range(6):
        clients.append(socket.create_connection(server.bind_addr))
        clients[-1].sendall(get())
        time.sleep(0.05)
    until(lambda: server.stats["Refused"] > 0 or backend == "mio")
    gate.set()
    answers = [receive_all(client)[:12] for client in clients]
    for client in clients:
        client.close()
    server.stop()
    thread.join(5)
    assert set(answers) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    assert answers.count(b"HTTP/1.1 200") >= 2
    assert b"HTTP/1.1 503" in answers


def test_statistics(serve):
    served = serve(hello)
    for _ in range(3):
        served.get()
    served.exchange(b"nonsense\r\n\r\n")
    stats = served.server.stats
    assert (stats["Requests"], stats["Accepts"], stats["Violations"]) == (3, 4, 1)
    assert stats["Threads"] >= 4 and stats["Run time"] > 0


def test_the_access_log(serve, tmp_path):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/fail":
            raise ValueError
        if environ["PATH_INFO"] == "/none":
            start_response("204 No Content", [])
            return []
        start_response("200 OK", [])
        return iter([b"abc", b"def"]) if environ["PATH_INFO"] == "/pieces" else [b"abc"]

    path = tmp_path / "log"
    served = serve(app, access_log=str(path))
    served.get("/?a=%22", User_Agent='te"st', Referer="here")
    for target in ("/pieces", "/none", "/fail"):
        served.get(target)
    served.request("HEAD", "/")
    lines = []
    until(lambda: lines.clear() or lines.extend(path.read_text().splitlines()) or len(lines) == 5)
    assert lines[0].startswith("127.0.0.1 - - [") and '"GET /?a=%22 HTTP/1.1" 200 3 "here" "te' in lines[0]
    assert ["200 6", "204 -", "500 41", "200 -"] == [" ".join(line.split('"')[2].split()) for line in lines[1:]]
    os.rename(path, tmp_path / "rotated")
    served.server.reload()
    served.get("/again")
    until(lambda: path.exists() and "/again" in path.read_text())


def test_the_access_log_in_json(serve, tmp_path):
    import json

    path = tmp_path / "log"
    serve(hello, access_log=str(path), access_log_format="json").get("/path")
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    line = json.loads(path.read_text())
    assert line["status"] == 200 and "/path" in line.values()


SCRIPT = """
import sys
from cherrystone import wsgi
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
server = wsgi.Server(("127.0.0.1", 0), app)
server.backend = sys.argv[1]
server.prepare()
print(server.bind_addr[1], flush=True)
"""


def script(backend, ending):
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", SCRIPT + ending, backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    port = int(process.stdout.readline())
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(get())
        assert receive_all(client).endswith(b"hello")
    return process


def test_ctrl_c_ends_start_at_once(backend):
    ending = "try:\n    server.serve()\nexcept KeyboardInterrupt:\n    server.stop(); print('interrupted')\n"
    process = script(backend, ending)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "interrupted\n", "") and time.monotonic() - started < 1.5


def test_an_interpreter_that_ends_ends_its_server(backend):
    ending = "import threading\nthreading.Thread(target=server.serve, daemon=True).start()\nsys.stdin.readline()\n"
    process = subprocess.Popen([sys.executable, "-X", "dev", "-c", SCRIPT + ending, backend], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    port = int(process.stdout.readline())
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(get())
        assert receive_all(client).endswith(b"hello")
    out, err = process.communicate("\n", timeout=10)
    assert (process.returncode, out, err) == (0, "", "")
