"""Python and its threads: nothing waits for a wait of the server."""

import threading

from conftest import get, showing


def test_threads_keep_what_is_local_to_them(serve):
    local = threading.local()

    def app(environ, start_response):
        local.count = getattr(local, "count", 0) + 1
        start_response("200 OK", [])
        return [str(local.count).encode()]

    served = serve(app, numthreads=1, maxthreads=1)
    assert [served.get().content for _ in range(3)] == [b"1", b"2", b"3"]


def test_python_runs_on_while_clients_stall(serve):
    import time

    def app(environ, start_response):
        start_response("200 OK", [])
        if environ["REQUEST_METHOD"] == "POST":
            return [str(len(environ["wsgi.input"].read())).encode()]
        return iter([b"x" * (1 << 22)] * 4)

    def speed():
        count, end = 0, time.perf_counter() + 0.3
        while time.perf_counter() < end:
            count += 1
        return count

    served = serve(app, numthreads=4, timeout=8)
    before = max(speed() for _ in range(3))
    clients = []
    for number in range(32):
        client = served.connect()
        if number % 2:
            client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nsome")
        else:
            client.sendall(get())
        clients.append(client)
    time.sleep(0.3)
    during = max(speed() for _ in range(3))
    for client in clients:
        client.close()
    assert during > before * 0.5, (before, during)


def test_a_request_may_use_threads_and_processes(serve):
    import subprocess
    import sys

    def app(environ, start_response):
        results = []
        threads = [threading.Thread(target=lambda: results.append(b"t")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results.append(subprocess.run([sys.executable, "-c", "print('p', end='')"], stdout=subprocess.PIPE).stdout)
        start_response("200 OK", [])
        return results

    assert serve(app).get().content == b"ttttp"


def test_many_requests_over_many_connections(serve):
    served = serve(showing("PATH_INFO"), numthreads=8)
    failures = []

    def client(number):
        import http.client

        connection = http.client.HTTPConnection(*served.address, timeout=20)
        for turn in range(20):
            connection.request("GET", f"/{number}/{turn}")
            if connection.getresponse().read() != repr([f"/{number}/{turn}"]).encode():
                failures.append((number, turn))
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and not served.logged


def test_short_requests_share_few_threads_and_stuck_ones_get_more(serve):
    gate = threading.Barrier(12)

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/together":
            gate.wait(10)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    served = serve(app, numthreads=4, maxthreads=12, growth_delay=0.3)
    clients = [served.connect() for _ in range(40)]
    for _ in range(20):
        for client in clients:
            client.sendall(get(close=False))
        for client in clients:
            assert client.recv(1000).endswith(b"ok")
    few = served.server.stats["Threads"]
    for client in clients[:12]:
        client.sendall(get("/together", close=False))
    for client in clients[:12]:
        assert client.recv(1000).endswith(b"ok")
    many = served.server.stats["Threads"]
    for client in clients:
        client.close()
    assert few in (4, 5) and many == 12, (few, many)
