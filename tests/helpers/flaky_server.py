"""A server between a client and MLflow's server that does not answer, or refuses, when told to."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Flaky:
    """What the server does with requests, until it is told otherwise."""

    url: str = ""
    is_down: bool = False
    """Whether it ends connections without an answer."""
    refused: dict[str, int] = field(default_factory=dict)
    """Status that requests get whose path has this part."""
    answer: bytes = b"no"
    """Content of a refusal."""
    seen: list[str] = field(default_factory=list)
    """Authorization of each request; empty for none."""


@contextlib.contextmanager
def flaky(target: str) -> Iterator[Flaky]:
    """Run the server for the duration of a block; what it does not refuse goes to `target`."""
    state, host = Flaky(), urlsplit(target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.seen.append(self.headers.get("Authorization", ""))
            if state.is_down:
                self.close_connection = True
                return
            status = next((one for part, one in state.refused.items() if part in self.path), None)
            if status is not None:
                self.reply(status, state.answer, "text/plain")
                return
            connection = http.client.HTTPConnection(host, timeout=120)
            headers = {name: text for name, text in self.headers.items() if name != "Host"}
            connection.request(self.command, self.path, body, {**headers, "Host": host})
            answer = connection.getresponse()
            kind = answer.headers.get("Content-Type", "text/plain")
            self.reply(answer.status, answer.read(), kind)
            connection.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def reply(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
