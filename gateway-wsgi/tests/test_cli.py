"""``python -m cherrystone``."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from cherrystone import cli
from conftest import get, receive_all, until

APPLICATION = """
import os
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%d %r" % (os.getpid(), environ["wsgi.multiprocess"])]
class site:
    app = staticmethod(application)
def create():
    return application
not_callable = 5
"""


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "good.py").write_text(APPLICATION)
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "syntax.py").write_text("def (:\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "gateway.py").write_text(
        "from cherrystone.wsgiserver import Gateway\n"
        "class application(Gateway):\n    def respond(self):\n        self.req.simple_response('200 OK', 'by hand')\n"
    )
    return tmp_path


class Program:
    """The program, and where it says that it listens."""

    def __init__(self, directory, *arguments, count=1, **options):
        command = [sys.executable, "-m", "cherrystone", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=directory, **{**pipes, **options})
        self.urls = [self.process.stdout.readline().rpartition(" ")[2].strip() for _ in range(count)]

    def get(self, path="/"):
        return urllib.request.urlopen(self.urls[0] + path, timeout=10).read()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=15)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("backend", ["threads", "mio"])
def test_it_serves_until_a_signal(directory, backend, number):
    program = Program(directory, "good", "--bind", "127.0.0.1:0", "--backend", backend)
    assert program.get() == b"%d False" % program.process.pid
    started = time.monotonic()
    assert program.end(number) == (0, "", "")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("arguments", [["good:application"], ["good:site.app"], ["good:create", "--factory"]])
def test_names_of_applications(directory, arguments):
    program = Program(directory, *arguments, "--bind=127.0.0.1:0")
    assert program.get().endswith(b"False")
    assert program.end()[0] == 0


def test_a_class_of_gateways(directory):
    program = Program(directory, "gateway", "-b", "127.0.0.1:0")
    assert program.get() == b"by hand"
    assert program.end()[0] == 0


def test_several_addresses(directory):
    path = str(directory / "socket")
    program = Program(directory, "good", "--bind", f"unix:{path}", "--bind", "127.0.0.1:0", "--unix-mode", "600", count=2)
    assert program.urls[0] == "unix:" + path and program.urls[1].startswith("http://127.0.0.1:")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(get())
        assert receive_all(client).endswith(b"False")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert program.end()[0] == 0 and not os.path.exists(path)


def test_another_directory_and_the_access_log(directory, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    program = Program(elsewhere, "good", "--chdir", str(directory), "--bind", "127.0.0.1:0", "--access-log", "-")
    program.get("/path?query")
    status, out, err = program.end()
    assert status == 0 and '"GET /path?query HTTP/1.1" 200 ' in out


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "No module named 'nothing_of_this_name'"),
        ("missing_module", "No module named 'missing_module'"),
        ("good:missing", "has no attribute 'missing'"),
        ("good:not_callable", "cannot be called"),
        ("syntax", "SyntaxError"),
        ("leaves", "SystemExit"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_applications_that_cannot_be_imported(directory, name, reason, workers):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cherrystone", name, "--bind", f"127.0.0.1:{port}", "--workers", workers]
    process = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=30)
    assert process.returncode == 1 and process.stdout == ""
    assert "Traceback (most recent call last)" in process.stderr and reason in process.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bind", "8070"],
        ["--bind", ":8070"],
        ["--bind", "127.0.0.1"],
        ["--bind", "[::]:99999"],
        ["--threads", "0"],
        ["--threads", "8:2"],
        ["--workers", "0"],
        ["--workers", "2", "--bind", "unix:socket"],
        ["--max-head", "10"],
        ["--timeout", "-1"],
        ["--backend", "other"],
        ["--unix-mode", "999"],
        ["--nonsense"],
    ],
)
def test_arguments_that_cannot_work(directory, arguments):
    command = [sys.executable, "-m", "cherrystone", "good", *arguments]
    process = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=30)
    assert process.returncode in (1, 2) and process.stderr and "Traceback" not in process.stderr
    assert process.stdout == ""


def test_an_address_in_use(directory):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "cherrystone", "good", "--bind", f"127.0.0.1:{taken.getsockname()[1]}"]
        process = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=30)
    assert process.returncode == 1 and "in use" in process.stderr


def pids(program, count, within=10):
    """The processes that answer, asked until there are so many."""
    seen = set()
    deadline = time.monotonic() + within
    while len(seen) < count and time.monotonic() < deadline:
        try:
            answer = program.get().split()
        except OSError:
            # A worker that was killed takes the connections with it that it had not accepted.
            continue
        assert answer[1] == b"True"
        seen.add(int(answer[0]))
    return seen


def test_no_socket_takes_the_number_of_a_closed_standard_stream(directory):
    (directory / "streams.py").write_text(
        "import os, stat, subprocess, sys\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    child = [sys.executable, '-c', 'import os; os.write(2, b\"hello\")']\n"
        "    kinds = [stat.S_ISCHR(os.fstat(number).st_mode) for number in range(3)]\n"
        "    return [repr((kinds, subprocess.run(child).returncode)).encode()]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cherrystone", "streams:application", "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=directory, preexec_fn=lambda: os.closerange(0, 3))

    def answer():
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read()
        except OSError:
            return None

    try:
        until(lambda: answer() == b"([True, True, True], 0)", within=15)
    finally:
        process.terminate()
        assert process.wait(15) == 0


def test_workers_share_a_port_and_are_replaced(directory):
    program = Program(directory, "good", "--bind", "127.0.0.1:0", "--workers", "3")
    first = pids(program, 3)
    assert len(first) == 3 and program.process.pid not in first
    os.kill(min(first), signal.SIGKILL)
    deadline = time.monotonic() + 10
    replaced = False
    while not replaced:
        assert time.monotonic() < deadline
        try:
            replaced = bool(pids(program, 3, within=0.5) - first)
        except OSError:
            pass  # What the kernel had already given to the worker that was killed is lost with it.
    status, out, err = program.end()
    assert (status, out) == (0, "") and "ended with status -9" in err
    for pid in first:
        with pytest.raises(OSError):
            os.kill(pid, 0)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_lets_requests_end(directory, workers, number):
    (directory / "slow.py").write_text(
        "import pathlib, time\n"
        "def application(environ, start_response):\n"
        "    pathlib.Path('entered').touch()\n    time.sleep(1)\n    start_response('200 OK', [])\n    return [b'done']\n"
    )
    program = Program(directory, "slow", "--bind", "127.0.0.1:0", "--workers", str(workers), start_new_session=True)
    with socket.create_connection(("127.0.0.1", int(program.urls[0].rpartition(":")[2])), timeout=10) as client:
        client.sendall(get())
        until(lambda: (directory / "entered").exists())
        # As a terminal does it, and a service manager: all processes get the signal of the one, the first that of the other.
        (os.killpg if number == signal.SIGINT else os.kill)(program.process.pid, number)
        assert receive_all(client).endswith(b"done")
    out, err = program.process.communicate(timeout=15)
    assert (program.process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_workers_that_are_not_ready(directory, number):
    begun = directory / "begun"
    (directory / "hangs.py").write_text(f"open({str(begun)!r}, 'w').close()\nimport time\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "cherrystone", "hangs:application", "--bind", "127.0.0.1:0", "--workers", "2"]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(begun.exists, within=15)
    process.send_signal(number)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, out, err) == (0, "", "")


def test_workers_end_with_their_supervisor(directory):
    program = Program(directory, "good", "--bind", "127.0.0.1:0", "--workers", "2")
    workers = pids(program, 2)
    program.end(signal.SIGKILL)
    port = int(program.urls[0].rpartition(":")[2])
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) != 0:
                break
        assert time.monotonic() < deadline, f"one of {workers} still serves"
        time.sleep(0.05)


def test_reload(directory):
    module = directory / "changing.py"
    text = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%s']\n"
    module.write_text(text % "one")
    complaints = directory / "stderr"
    with complaints.open("w") as stderr:
        program = Program(directory, "changing", "--bind", "127.0.0.1:0", "--reload", stderr=stderr)

    def becomes(content):
        deadline = time.monotonic() + 15
        while True:
            try:
                if program.get() == content:
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, content
            time.sleep(0.1)

    def change(text):
        module.write_text(text)
        os.utime(module, (time.time() + change.count, time.time() + change.count))
        change.count += 5

    change.count = 5
    becomes(b"one")
    change(text % "two")
    becomes(b"two")
    change("syntax error")
    until(lambda: "SyntaxError" in complaints.read_text(), within=15)
    # The supervisor notes what the files are, and looks for a change from then on.
    time.sleep(1)
    change(text % "three")
    becomes(b"three")
    status, out, _ = program.end()
    assert (status, out) == (0, "")


def test_sizes_and_times():
    assert [cli.size(text) for text in ("10", "1K", "2m", "1G")] == [10, 1024, 2 << 20, 1 << 30]
    assert cli.optional(cli.size)("none") is None and cli.seconds("0.5") == 0.5
    assert (cli.threads("5"), cli.threads("2:8")) == ((5, 5), (2, 8))
