"""An identity provider's web server: it sends the documents it is told to, and counts who asked.

    python -m tests.fakes.identity_provider

prints its address. `PUT` sets what a `GET` of the same path answers: `{"status", "headers", "body", "hold"}`.
With `hold` the answer stops after that many bytes of its body, until something is `PUT` again; -1: before its
first line. `GET /counts` tells how often each path was asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition
from typing import Any


class Provider(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.documents: dict[str, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        self.changed = Condition()
        self.version = 0

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_PUT(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.changed:
            self.server.documents[self.path] = document
            self.server.version += 1
            self.server.changed.notify_all()
        self._answer({"status": 204})

    def do_GET(self) -> None:
        if self.path == "/counts":
            self._answer({"body": json.dumps(self.server.counts)})
            return
        with self.server.changed:
            self.server.counts[self.path] += 1
            document, version = self.server.documents.get(self.path, {"status": 404}), self.server.version
        self._answer(document, version)

    def _answer(self, document: dict[str, Any], version: int = 0) -> None:
        body, hold = document.get("body", "").encode(), document.get("hold")
        if hold == -1:
            self._wait(version)
        self.send_response(document.get("status", 200))
        for name, value in document.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if hold is not None and hold >= 0:
            self.wfile.write(body[:hold])
            self._wait(version)
            body = body[hold:]
        self.wfile.write(body)

    def _wait(self, version: int) -> None:
        """Returns once something was `PUT` after the document of `version` was read."""
        with self.server.changed:
            self.server.changed.wait_for(lambda: self.server.version != version)

    def log_request(self, code="-", size="-") -> None:
        """What it prints is its address, and nothing else."""


if __name__ == "__main__":
    provider = Provider()
    print(f"http://127.0.0.1:{provider.server_port}", flush=True)
    provider.serve_forever()
