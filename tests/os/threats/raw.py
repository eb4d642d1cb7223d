"""HTTP written byte by byte: clients tidy up what attackers send, so none of them is used here."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any

TIMEOUT = 20.0
"""Seconds, for machines that are busy."""
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    status: int
    """0: the server closed the connection without an answer."""
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_granted(self) -> bool:
        return 200 <= self.status < 300


def request(method: str, target: str, headers: Headers = (), body: bytes = b"", *, host: str = "os") -> bytes:
    """A request as these exact characters; a body announces its length unless a header says how it comes."""
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", errors="surrogateescape") + body


def exchange(port: int, sent: bytes | Iterable[bytes], *, until: bytes | None = None) -> Answer:
    """Sends it, piece by piece, and reads the answer: all of it, or up to the line that holds `until`.

    A stream that is silent instead ends there too.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        try:
            for piece in [sent] if isinstance(sent, bytes) else sent:
                connection.sendall(piece)
        except ConnectionError:
            pass  # refused before it was all sent; the answer may be there
        # An answer to HEAD announces a body that doesn't come.
        is_head = isinstance(sent, bytes) and sent.startswith(b"HEAD ")
        return _read(HTTPResponse(connection, method="HEAD" if is_head else None), until)


def _read(response: HTTPResponse, until: bytes | None) -> Answer:
    try:
        response.begin()
        body = response.read() if until is None else _read_until(response, until)
    except (ConnectionError, HTTPException):
        return Answer(0)
    finally:
        response.close()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def _read_until(response: HTTPResponse, marker: bytes) -> bytes:
    lines: list[bytes] = []
    while line := response.readline():
        lines.append(line)
        if marker in line or line == b": keep-alive\n":
            break
    return b"".join(lines)
