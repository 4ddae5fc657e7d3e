"""Is memory flat over a million requests? ``python soak.py [REQUESTS] [BACKEND]...``

Starts a server in a process of its own and sends it requests of every kind over a few connections that stay, and over some that do
not. Prints what the server has resident, and fails if that grows once it is warm. The package has to be installed, in a release build.
"""

import socket
import subprocess
import sys
import time

CONNECTIONS = 16
#: Requests of one kind that are sent before their answers are read.
BATCH = 25
#: What may be added after the first tenth, in KiB: the allocators' own movements.
MARGIN = 2048


def application(environ, start_response):
    path, content = environ["PATH_INFO"], environ["wsgi.input"].read()
    if path == "/fails":
        raise ValueError("on purpose")
    start_response("299 Custom" if path == "/custom" else "200 OK", [("Content-Type", "text/plain"), ("X-Path", path)])
    if path == "/stream":
        return iter([b"one", b"", b"two"])
    return [content or b"hello"]


def serve(backend):
    from cherrystone import wsgi

    server = wsgi.Server(("127.0.0.1", 0), application, numthreads=4)
    server.backend = backend
    server.error_log = lambda *details, **more: None
    server.prepare()
    print(server.bind_addr[1], flush=True)
    server.serve()


def request(path, content=b"", *fields):
    head = [f"{'POST' if content else 'GET'} {path} HTTP/1.1", "Host: soak", "Cookie: a=b", f"User-Agent: soak {path}", *fields]
    if content and not fields:
        head.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*head, "", ""]).encode() + content


KINDS = [
    (request("/"), b"hello"),
    (request("/custom?a=b"), b"hello"),
    (request("/stream"), b"0\r\n\r\n"),
    (request("/echo", b"x" * 1024), b"x" * 1024),
    (request("/echo", b"4\r\nwiki\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), b"wiki"),
    (request("/" + "a" * 200 + "%20b", b"", *(f"X-Field-{number}: {number}" for number in range(20))), b"hello"),
]


def exchange(client, octets, end, count):
    client.sendall(octets * count)
    received = b""
    while received.count(b"HTTP/1.1 2") < count or not received.endswith(end):
        piece = client.recv(1 << 18)
        assert piece, received[-300:]
        received += piece


def resident(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def soak(backend, total):
    process = subprocess.Popen([sys.executable, __file__, "--serve", backend], stdout=subprocess.PIPE, text=True)
    try:
        address = "127.0.0.1", int(process.stdout.readline())
        clients = [socket.create_connection(address) for _ in range(CONNECTIONS)]
        done, step, warm, began = 0, 0, None, time.monotonic()
        while done < total:
            for octets, end in KINDS:
                for client in clients:
                    exchange(client, octets, end, BATCH)
                done += BATCH * CONNECTIONS
            for _ in range(5):
                with socket.create_connection(address) as client:
                    client.sendall(request("/fails"))
                    assert client.recv(1000).startswith(b"HTTP/1.1 500")
                done += 1
            if done >= step:
                step += total // 10
                now = resident(process)
                print(f"{backend}: {done:>9,} requests, {now:>7,} KiB, {time.monotonic() - began:6.1f} s", flush=True)
                if warm is None and done > total // 10:
                    warm = now
        grown = resident(process) - warm
        print(f"{backend}: {grown:+,} KiB after the first tenth")
        return grown <= MARGIN
    finally:
        process.terminate()
        process.wait()


def main(arguments):
    if arguments[:1] == ["--serve"]:
        serve(arguments[1])
        return
    total = int(arguments[0]) if arguments else 1_000_000
    flat = [soak(backend, total) for backend in arguments[1:] or ["threads", "mio"]]
    sys.exit(0 if all(flat) else "memory grows")


if __name__ == "__main__":
    main(sys.argv[1:])
