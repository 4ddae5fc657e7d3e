"""Applications of further frameworks and tools, and CherryPy's engine with this server in place of its own."""

import io
import socket
import subprocess
import sys
import time

import pytest
from conftest import get, receive_all

FORM = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + b"y" * 300_000 + b"\r\n--b--\r\n"
FORM_TYPE = {"Content-Type": "multipart/form-data; boundary=b"}


def test_pyramid(serve, tmp_path):
    config = pytest.importorskip("pyramid.config")
    from pyramid.response import FileResponse, Response

    file = tmp_path / "file.txt"
    file.write_bytes(bytes(range(256)) * 400)
    views = {
        "hello": lambda request: Response("hi " + request.params["name"], status="299 Custom"),
        "upload": lambda request: Response(str(len(request.POST["f"].file.read()))),
        "pieces": lambda request: Response(app_iter=(b"%d," % number for number in range(3))),
        "file": lambda request: FileResponse(str(file), request=request),
    }
    with config.Configurator() as configurator:
        for name, view in views.items():
            configurator.add_route(name, "/" + name)
            configurator.add_view(view, route_name=name)
        served = serve(configurator.make_wsgi_app())
    answer = served.get("/hello?name=%C3%A9")
    assert (answer.status, answer.reason, answer.content.decode()) == (299, "Custom", "hi \xe9")
    assert served.request("POST", "/upload", FORM, FORM_TYPE).content == b"300000"
    pieces = (FORM[at:at + 7_777] for at in range(0, len(FORM), 7_777))
    assert served.request("POST", "/upload", pieces, FORM_TYPE, encode_chunked=True).content == b"300000"
    answer = served.get("/pieces")
    assert (answer.content, answer.getheader("Transfer-Encoding")) == (b"0,1,2,", "chunked")
    assert served.get("/file").content == file.read_bytes()
    answer = served.get("/file", Range="bytes=10-19")
    assert (answer.status, answer.content) == (206, bytes(range(10, 20)))
    assert served.get("/missing").status == 404


def test_falcon(serve):
    falcon = pytest.importorskip("falcon")

    class Resource:
        def on_get(self, request, response):
            response.media = {"query": request.params, "header": request.get_header("X-A")}

        def on_post(self, request, response):
            response.text = str(len(request.bounded_stream.read()))

        def on_delete(self, request, response):
            response.status = falcon.HTTP_204

        def on_put(self, request, response):
            response.set_stream(io.BytesIO(b"z" * 100_000), 100_000)

    app = falcon.App()
    app.add_route("/resource", Resource())
    served = serve(app)
    assert served.get("/resource?a=1&b=%20", X_A="yes").content == b'{"query": {"a": "1", "b": " "}, "header": "yes"}'
    assert served.request("POST", "/resource", b"x" * 100_000).content == b"100000"
    assert served.request("POST", "/resource", iter([b"x" * 1000] * 9), encode_chunked=True).content == b"9000"
    assert (served.request("DELETE", "/resource").status, served.request("DELETE", "/resource").content) == (204, b"")
    assert served.request("PUT", "/resource").content == b"z" * 100_000
    assert served.request("PATCH", "/resource").status == 405


def test_the_debugger_of_werkzeug(serve):
    from werkzeug.debug import DebuggedApplication

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/late":
            start_response("200 OK", [])
            yield b"begun "
        raise RuntimeError("in the application")

    served = serve(DebuggedApplication(app, evalex=False))
    answer = served.get()
    assert answer.status == 500 and b"in the application" in answer.content
    assert served.get("/late").content.startswith(b"begun ")


def test_middleware_that_checks_and_an_application_that_writes(serve):
    from wsgiref.validate import validator

    def app(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"one ")
        write(b"two ")
        return iter([b"three"])

    def middleware(environ, start_response):
        seen = []

        def start(status, headers, exc_info=None):
            seen.append(status)
            write = start_response(status, [*headers, ("X-Seen", status)], exc_info)
            return lambda data: write(data.upper())

        for piece in app(environ, start):
            yield piece.upper()

    answer = serve(middleware).get()
    assert (answer.content, answer.getheader("X-Seen")) == (b"ONE TWO THREE", "200 OK")
    assert serve(validator(app)).get().content == b"one two three"


ENGINE = """
import sys
import cherrypy
from cherrypy.process.servers import ServerAdapter
from cherrystone import wsgi

class Root:
    @cherrypy.expose
    def index(self, name="you"):
        return "hello " + name

port, backend = int(sys.argv[1]), sys.argv[2]
cherrypy.config.update({"engine.autoreload.on": False, "log.screen": False})
cherrypy.server.unsubscribe()
server = wsgi.Server(("127.0.0.1", port), cherrypy.tree.mount(Root(), "/app") and cherrypy.tree, numthreads=4)
server.backend = backend
ServerAdapter(cherrypy.engine, server, server.bind_addr).subscribe()
cherrypy.engine.signals.subscribe()
cherrypy.engine.start()
print("started", flush=True)
cherrypy.engine.block()
print("stopped", server.ready, flush=True)
"""


def test_the_engine_of_cherrypy_drives_this_server(backend):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    command = [sys.executable, "-c", ENGINE, str(address[1]), backend]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "started\n", process.stderr.read()
        with socket.create_connection(address, timeout=5) as client:
            client.sendall(get("/app/?name=engine"))
            assert receive_all(client).endswith(b"hello engine")
        began = time.monotonic()
        process.terminate()
        out, err = process.communicate(timeout=15)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "stopped False\n"), err
    assert time.monotonic() - began < 10
