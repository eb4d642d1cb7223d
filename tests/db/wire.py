"""A proxy in front of Postgres that notes what the client sends, and how often it must be answered.

It can also make the server say something else than it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.engine import make_url

STARTUP = (80877103, 80877104, 80877102)
"""The requests for TLS, for GSSAPI and to cancel: messages without a type, answered by one byte or none."""


class Wire:
    """`url` leads to the same database; `sent` has the type of each message that came after the login."""

    def __init__(self, url: str, rewrite: Callable[[bytes], bytes]) -> None:
        self._target = make_url(url)
        self._rewrite = rewrite
        self.url = url
        self.sent = b""
        self._pipes: set[asyncio.Task[None]] = set()

    @property
    def round_trips(self) -> int:
        """Sync and Query messages: what the server answers."""
        return self.sent.count(b"S") + self.sent.count(b"Q")

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = self._target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        return server

    async def stop(self) -> None:
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _connected(self, reader, writer) -> None:
        upstream, upward = await asyncio.open_connection(self._target.host, self._target.port)
        for pipe in (self._forward(reader, upward), self._back(upstream, writer)):
            task = asyncio.create_task(pipe)
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)

    async def _forward(self, client, upward) -> None:
        try:
            while True:
                head = await client.readexactly(8)
                body = await client.readexactly(int.from_bytes(head[:4]) - 8)
                upward.write(head + body)
                if int.from_bytes(head[4:]) not in STARTUP:
                    break
            while True:
                head = await client.readexactly(5)
                body = await client.readexactly(int.from_bytes(head[1:]) - 4)
                self.sent += head[:1]
                upward.write(head + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            upward.close()

    async def _back(self, upstream, writer) -> None:
        try:
            while chunk := await upstream.read(65536):
                writer.write(self._rewrite(chunk))
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def counting(url: str, *, rewrite: Callable[[bytes], bytes] = bytes) -> AsyncIterator[Wire]:
    """A `Wire` to the database at `url`; `rewrite` gives what the server sends another text, as long."""
    wire = Wire(url, rewrite)
    server = await wire.serve()
    try:
        yield wire
    finally:
        server.close()
        await wire.stop()
