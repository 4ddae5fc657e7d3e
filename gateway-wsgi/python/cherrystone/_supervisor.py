"""Several processes at one port, and one that starts anew when its modules change.

The supervisor imports no application. It starts workers, which are this program with a hidden argument, and starts others for those that
end by themselves. A worker that cannot start ends all of them: it says why on the standard error stream. Workers end with their
supervisor, however that ends, since they watch a pipe whose other end it holds.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from . import _addresses

__all__ = ["CHANGED", "report_ready", "supervise"]

#: The exit status of a worker that has seen a module change.
CHANGED = 3

#: A worker that ends sooner than this after its start is not replaced at once.
HASTE = 1.0


def supervise(options: argparse.Namespace, given: List[str]) -> int:
    """Keeps workers running until a signal, and gives the exit status."""
    from .cli import address_of

    addresses = [address_of(text) for text in options.bind or ["127.0.0.1:8070"]]
    if options.workers > 1 and not all(isinstance(address, tuple) for address in addresses):
        raise ValueError("several workers need TCP addresses: a unix socket belongs to one process")
    held = [hold(address) for address in addresses if isinstance(address, tuple)] if options.workers > 1 or options.reload else []
    with Supervisor(options, given, [address for _, address in held] + [a for a in addresses if isinstance(a, str)]) as supervisor:
        status = supervisor.run()
    for sock, _ in held:
        sock.close()
    return status


def hold(address: Tuple[str, int]) -> Tuple[socket.socket, Tuple[str, int]]:
    """Reserves a port without listening, so that all workers get the same one even if it was 0."""
    host, port = address[0].strip("[]"), address[1]
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(where)
    return sock, (host, sock.getsockname()[1])


def ignore_interrupts() -> None:
    """Has a terminal's Ctrl-C, which reaches all processes alike, mean the supervisor alone: one signal is to be one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Worker:
    """One process."""

    def __init__(self, command: List[str]) -> None:
        ready, ready_end = os.pipe()
        alive_end, alive = os.pipe()
        try:
            handles = f"--worker={ready_end},{alive_end}"
            self.process = subprocess.Popen([*command, handles], pass_fds=(ready_end, alive_end), preexec_fn=ignore_interrupts)
        finally:
            os.close(ready_end)
            os.close(alive_end)
        self.alive = alive
        self.ready = ready
        self.since = time.monotonic()
        #: It was told to end. A second signal would cut the requests that it lets end.
        self.ending = False
        self.told: Optional[str] = None

    def hear(self) -> None:
        """Waits until it serves, or has ended."""
        with open(self.ready, "rb") as pipe:
            # Ends with what it says, or with the worker.
            self.told = pipe.read().decode() or None

    def tell(self, number: int) -> None:
        """Passes a signal on, if the process is still there."""
        self.ending |= number != signal.SIGHUP
        if self.process.poll() is None:
            self.process.send_signal(number)

    def close(self) -> None:
        """Lets go of the pipe."""
        os.close(self.alive)


class Supervisor:
    """Workers, and what is done about them."""

    def __init__(self, options: argparse.Namespace, given: List[str], addresses: List[_addresses.Address]) -> None:
        self.options = options
        self.command = command(given, addresses)
        self.workers: List[Worker] = []
        self.stopping = False
        self.previous: Dict[int, Any] = {}

    def __enter__(self) -> "Supervisor":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.previous[number] = signal.signal(number, self.on_signal)
        return self

    def __exit__(self, *details: Any) -> None:
        for worker in self.workers:
            if not worker.ending:
                worker.tell(signal.SIGTERM)
        for worker in self.workers:
            worker.process.wait()
            worker.close()
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def on_signal(self, number: int, frame: Any) -> None:
        """Passes a signal on: the first ends the workers, a second one lets them cut what they wait for; SIGHUP is theirs alone."""
        self.stopping |= number != signal.SIGHUP
        for worker in self.workers:
            worker.tell(signal.SIGTERM if number == signal.SIGINT else number)

    def run(self) -> int:
        """Starts the workers, and replaces those that end."""
        for number in range(self.options.workers):
            if self.stopping:
                break
            worker = self.start()
            if worker.told is None and not self.stopping and not self.options.reload:
                return worker.process.wait() or 1
            if number == 0:
                self.announce(worker)
        while not self.stopping:
            time.sleep(0.1)
            for worker in [worker for worker in self.workers if worker.process.poll() is not None]:
                self.replace(worker)
        return 0

    def start(self) -> Worker:
        """Starts a worker, and waits until it serves or has given up."""
        worker = Worker(self.command)
        # Known before it serves: a signal is for one that takes long to get there, too.
        self.workers.append(worker)
        if self.stopping:
            worker.tell(signal.SIGTERM)
        worker.hear()
        return worker

    def announce(self, worker: Worker) -> None:
        """Says where the workers listen."""
        for line in (worker.told or "").splitlines():
            print("listening on", line, flush=True)

    def replace(self, worker: Worker) -> None:
        """Starts another worker for one that has ended."""
        self.workers.remove(worker)
        worker.close()
        if self.stopping:
            return
        status = worker.process.returncode
        if self.options.reload and status != CHANGED:
            # It failed: another try makes sense once something has changed.
            wait_for_change(lambda: self.stopping)
        elif status != CHANGED:
            print(f"cherrystone: a worker ended with status {status}; another one starts", file=sys.stderr, flush=True)
            time.sleep(max(0.0, HASTE - (time.monotonic() - worker.since)))
        if not self.stopping:
            self.start()


def command(given: List[str], addresses: List[_addresses.Address]) -> List[str]:
    """The command line of a worker: what was given, at the addresses that were found."""
    rest, skip = [], False
    for argument in given:
        if skip:
            skip = False
        elif argument in ("--bind", "-b"):
            skip = True
        elif not argument.startswith(("--bind=", "-b")):
            rest.append(argument)
    binds = []
    for address in addresses:
        text = _addresses.to_text(address)
        binds.append(f"--bind={text}")
    shared = ["--reuse-port"] if all(isinstance(address, tuple) for address in addresses) else []
    return [sys.executable, *options_of_python(), "-m", "cherrystone", *rest, *binds, *shared]


def options_of_python() -> List[str]:
    """The options that this interpreter was started with, for the others."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]


# ---- in the worker


def report_ready(handles: List[int], served: Any, watch: bool) -> None:
    """Tells the supervisor that this worker serves, and ends the server when the supervisor has gone or a module changes."""
    ready, alive = handles
    # Before anybody can know that this worker is there: a change after that is not to be missed.
    known = dict(stamps(module_files())) if watch else {}
    urls = [_addresses.to_url(address, served.scheme) for address in served.bound_addresses]
    os.write(ready, "\n".join(urls).encode())
    os.close(ready)

    def until_gone() -> None:
        os.read(alive, 1)
        served._begin_stop()

    threading.Thread(target=until_gone, name="cherrystone-alive", daemon=True).start()
    if watch:
        threading.Thread(target=until_changed, args=(served, known), name="cherrystone-watch", daemon=True).start()


def until_changed(served: Any, known: Dict[str, float]) -> None:
    """Ends the server when the file of a module has changed since these times were taken."""
    while not served._stopped.wait(0.5):
        now = dict(stamps(module_files()))
        if any(now.get(path, stamp) != stamp for path, stamp in known.items()):
            served.changed = True
            served._begin_stop()
            return
        known.update(now)


def module_files() -> Iterator[str]:
    """The files of all modules."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path:
            yield path


def source_files() -> Iterator[str]:
    """The Python files below this directory."""
    for directory, directories, names in os.walk("."):
        directories[:] = [name for name in directories if not name.startswith(".") and name != "node_modules"]
        yield from (os.path.join(directory, name) for name in names if name.endswith(".py"))


def stamps(paths: Iterator[str]) -> Iterator[Tuple[str, float]]:
    """When each file was changed last."""
    for path in paths:
        try:
            yield path, os.stat(path).st_mtime
        except OSError:
            pass


def wait_for_change(given_up: Any) -> None:
    """Waits until a Python file below this directory has changed."""
    known = dict(stamps(source_files()))
    while not given_up() and dict(stamps(source_files())) == known:
        time.sleep(0.5)
