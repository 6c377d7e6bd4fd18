"""A real web server that takes messages, as a chat's webhook does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """What has come in. Every request is answered with `status`, and `location` if it has one."""

    url: str = ""
    status: int = 200
    location: str = ""
    received: list[Any] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    types: list[str | None] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.received]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A server on a free port of this host, for as long as the block runs."""
    box = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._take()

        def do_GET(self) -> None:
            self._take()

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            box.received.append(json.loads(body) if body else None)
            box.methods.append(self.command)
            box.types.append(self.headers.get("Content-Type"))
            self.send_response(box.status)
            if box.location:
                self.send_header("Location", box.location)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: Any) -> None:
            """Into the test's own list, not to standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box.url = f"http://127.0.0.1:{server.server_address[1]}/services/s3cret"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
