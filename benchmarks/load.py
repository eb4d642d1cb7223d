"""A lean closed loop over raw sockets: every connection sends its next request once it has the answer.

It reads no more of an answer than where it ends, so that on two cores it isn't what is measured.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import cast

TIMEOUT = 60
"""Seconds that the whole of one measurement may take."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request, word for word, and how often `marker` must be in each answer's body."""

    request: bytes
    marker: bytes = b""
    count: int = 0

    def check(self, head: bytes, body: bytes) -> None:
        """A wrong answer would be a meaningless figure."""
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"Answered {head[:40]!r}: {body[:400]!r}")
        if self.marker and body.count(self.marker) != self.count:
            raise RuntimeError(f"{self.marker!r} isn't {self.count} times in {body[:400]!r}…")


def get(path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n".encode()


def post(path: str, token: str, form: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(form)}\r\n\r\n{form}"
    ).encode()


async def rate(port: int, wanted: Wanted, *, connections: int, seconds: float) -> float:
    """Answers a second. RuntimeError if one of them is wrong."""
    loop = asyncio.get_running_loop()
    began = perf_counter()
    clients = [_Client(wanted, until=began + seconds) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    async with asyncio.timeout(seconds + TIMEOUT):
        await asyncio.gather(*(client.done for client in clients))
    return sum(client.answers for client in clients) / (perf_counter() - began)


async def once(port: int, request: bytes) -> bytes:
    """The body of the answer to one request."""
    client = _Client(Wanted(request), until=0)
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    async with asyncio.timeout(TIMEOUT):
        await client.done
    return client.body


class _Client(asyncio.Protocol):
    def __init__(self, wanted: Wanted, *, until: float) -> None:
        self.answers = 0
        self.body = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted = wanted
        self._until = until
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._wanted.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[: end + 2]).lower()
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            is_whole = self._received.endswith(b"\r\n0\r\n\r\n")
        else:
            length = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
            is_whole = len(self._received) == end + 4 + length
        if is_whole:
            self._answered(bytes(self._received[:end]), bytes(self._received[end + 4 :]))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError("The server closed the connection."))

    def _answered(self, head: bytes, body: bytes) -> None:
        self._received.clear()
        self.body = body
        try:
            self._wanted.check(head, body)
        except RuntimeError as error:
            self.done.set_exception(error)
            self._transport.close()
            return
        self.answers += 1
        if perf_counter() < self._until:
            self._transport.write(self._wanted.request)
        else:
            self.done.set_result(None)
            self._transport.close()
