#!/usr/bin/env python3
"""How does TLS compare with nginx and OpenSSL?

    apt-get install nginx-light openssl
    cargo build --release --bin cherrystone --example tls_load
    bench/tls/run.py                    # all scenarios, five rounds; a markdown table
    bench/tls/run.py --scenario bulk128-ec --rounds 3 --seconds 1

Each server has one worker and one core, the load generator another one. Rounds are interleaved: every server has its turn
before any has the next. What counts is the processor time of the server for each unit of work, which other processes of the
machine disturb least; `busy` is the share of the time that the server had work. A ratio above 1 says that nginx needs more.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CERTIFICATES = {
    "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["rsa:2048"],
}
# name: certificate, flags of the load generator, unit, what of its output is counted
SCENARIOS = {
    "bulk128-ec": ("ec", ["--path", "/bulk", "--keep", "--suite", "AES_128_GCM"], "GiB", 1),
    "bulk256-ec": ("ec", ["--path", "/bulk", "--keep", "--suite", "AES_256_GCM"], "GiB", 1),
    "bulk128-rsa": ("rsa", ["--path", "/bulk", "--keep", "--suite", "AES_128_GCM"], "GiB", 1),
    "small128-ec": ("ec", ["--keep", "--suite", "AES_128_GCM"], "request", 0),
    "full-ec": ("ec", [], "connection", 0),
    "full-rsa": ("rsa", [], "connection", 0),
    "full12-ec": ("ec", ["--tls", "1.2"], "connection", 0),
    "resumed-ec": ("ec", ["--resume"], "connection", 0),
    "resumed-rsa": ("rsa", ["--resume"], "connection", 0),
    "resumed12-ec": ("ec", ["--resume", "--tls", "1.2"], "connection", 0),
}
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; server_tokens off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=100;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:all:10m; ssl_session_tickets on;
  {servers}
}}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--port", type=int, default=24100, help="the first of ten that are free")
    parser.add_argument("--cherrystone", default=target() / "release/cherrystone")
    parser.add_argument("--load", default=target() / "release/examples/tls_load")
    options = parser.parse_args()
    for tool in ["nginx", "openssl", "taskset"]:
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install nginx-light openssl util-linux")
    for built in [options.cherrystone, options.load]:
        if not os.access(built, os.X_OK):
            sys.exit(f"{built} is missing: cargo build --release --bin cherrystone --example tls_load")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("the server and its load need a core each")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = start(stack, pathlib.Path(folder), options, cores[0])
        measure(servers, options, cores[1])


def target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def start(stack, folder, options, core):
    """Every server with every certificate, for files and for a greeting: {name: {(certificate, is_bulk): (port, pid)}}."""
    files = folder / "www"
    files.mkdir()
    (files / "bulk").write_bytes(os.urandom(64 << 20))
    for name, kind in CERTIFICATES.items():
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-newkey", *kind,
                   "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    ports = iter(range(options.port, options.port + 10))
    servers = {}
    blocks, found = "", {}
    for name in CERTIFICATES:
        found[name] = port = next(ports)
        blocks += (f"server {{ listen 127.0.0.1:{port} ssl; root {files}; "
                   f"ssl_certificate {folder}/{name}.pem; ssl_certificate_key {folder}/{name}.key; "
                   "location = / { default_type text/plain; return 200 'Hello, world!'; } }\n")
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, servers=blocks))
    process = run(stack, core, ["nginx", "-p", folder, "-c", folder / "nginx.conf"])
    servers["nginx"] = {(name, bulk): (port, process.pid) for name, port in found.items() for bulk in (False, True)}
    for backend in ["mio", "threads"]:
        servers[backend] = {}
        for name in CERTIFICATES:
            for bulk in (False, True):
                port = next(ports)
                what = files if bulk else "--hello"
                process = run(stack, core, [options.cherrystone, what, "--backend", backend, "--bind", f"127.0.0.1:{port}",
                                            "--tls-cert", folder / f"{name}.pem", "--tls-key", folder / f"{name}.key"])
                servers[backend][name, bulk] = (port, process.pid)
    for places in servers.values():
        for port, _ in places.values():
            wait_for(port)
    return servers


def run(stack, core, command):
    process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stdout=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.send_signal, signal.SIGTERM)
    return process


def wait_for(port):
    until = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(servers, options, core):
    print("| scenario | unit | server | processor time for each | nginx / server | a second of processor time | busy |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for scenario in options.scenario or SCENARIOS:
        certificate, flags, unit, column = SCENARIOS[scenario]
        costs, busy = {name: [] for name in servers}, {name: [] for name in servers}
        for turn in range(options.rounds + 1):
            for name, places in servers.items():
                port, pid = places[certificate, unit == "GiB"]
                before = processor_seconds(pid)
                command = ["taskset", "-c", str(core), options.load, "load", f"127.0.0.1:{port}",
                           "--seconds", str(options.seconds if turn else 0.3), *flags]
                done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.split()
                used = processor_seconds(pid) - before
                resumed = int(done[2])
                if "--resume" in flags and resumed < 0.9 * int(done[0]):
                    sys.exit(f"{name} resumed {resumed} of {done[0]} sessions")
                # The first turn warms up.
                if turn:
                    amount = int(done[column]) / (1 << 30 if unit == "GiB" else 1)
                    costs[name].append(used / amount)
                    busy[name].append(used / float(done[3]))
        for name in servers:
            cost = statistics.median(costs[name])
            ratio = statistics.median(n / c for n, c in zip(costs["nginx"], costs[name]))
            shown = f"{cost:.3f} s" if unit == "GiB" else f"{cost * 1e6:.1f} us"
            rate = f"{1 / cost:.2f} GiB" if unit == "GiB" else f"{1 / cost:.0f}"
            print(f"| {scenario} | {unit} | {name} | {shown} | {ratio:.2f} | {rate} | {statistics.median(busy[name]):.0%} |",
                  flush=True)


if __name__ == "__main__":
    main()
