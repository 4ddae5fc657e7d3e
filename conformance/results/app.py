"""The routes of the suite's fixtures as a WSGI application, for the servers that speak WSGI.

There is no /inspect, since WSGI does not pass on a request as it was received, and no /upgrade.
"""

TEXT = [("Content-Type", "text/plain")]


def app(environ, start_response):
    """WSGI leaves it to applications to send no content to HEAD, and some servers rely on that."""
    content = route(environ, start_response)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else content


def route(environ, start_response):
    path = environ.get("PATH_INFO", "")
    if path == "/discard":
        return answer(start_response, "200 OK", b"ok")
    if environ["REQUEST_METHOD"] == "CONNECT" or path.lstrip("/") == "*":
        return answer(start_response, "501 Not Implemented", b"no tunnels, no options")
    length = environ.get("CONTENT_LENGTH")
    content = read(environ["wsgi.input"], length)
    if length and len(content) != int(length):
        # Content that ended early is no content.
        return answer(start_response, "400 Bad Request", b"content cut short")
    if path == "/":
        return answer(start_response, "200 OK", b"ok")
    if path == "/head":
        return answer(start_response, "200 OK", b"hello")
    if path == "/echo":
        return answer(start_response, "200 OK", content)
    if path == "/chunked":
        start_response("200 OK", TEXT)
        return iter([b"one", b"two", b"three"])
    status = path.removeprefix("/status/")
    if status != path and len(status) == 3 and status.isdecimal():
        without_length = status in ("204", "304")
        start_response(f"{status} Status", [] if without_length else [("Content-Length", "0")])
        return []
    return answer(start_response, "404 Not Found", b"not found")


def read(stream, length):
    """Up to the end of the content, however the server tells it: by a length, or by an end of the stream."""
    if length:
        return stream.read(int(length))
    return b"".join(iter(lambda: stream.read(8192), b""))


def answer(start_response, status, content):
    start_response(status, TEXT + [("Content-Length", str(len(content)))])
    return [content]


if __name__ == "__main__":
    import sys

    server, port = sys.argv[1], int(sys.argv[2])
    if server == "cheroot":
        from cheroot.wsgi import Server

        Server(("127.0.0.1", port), app, numthreads=32).start()
    elif server == "waitress":
        import waitress

        waitress.serve(app, host="127.0.0.1", port=port, threads=32, clear_untrusted_proxy_headers=True)
