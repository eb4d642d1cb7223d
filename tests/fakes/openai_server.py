"""A small, fast server that speaks OpenAI's chat completions and responses, the same way every time.

In a test: `async with FakeOpenAI() as server: OpenAIChat(base_url=server.url, api_key="…")`.
As a process: `python -m tests.fakes.openai_server --port 0` prints its URL, for OPENAI_BASE_URL.

What the last user message says decides the answer:

    use the tool NAME            calls NAME if it is offered; `… with {"a": 1}` gives its arguments;
                                 said of several tools, calls all of them at once
    say TEXT                     answers TEXT
    fail with 429                answers that HTTP status
    break off                    ends the connection in the middle of the answer
    hang                         begins a stream and never ends it; a plain answer never comes
    anything else                answers a sentence of `words` words, or the smallest JSON that fits
                                 the schema asked for
"""

import argparse
import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic

from tests.fakes.openai_script import Ending, Reply, Request, Script


@lru_cache(maxsize=512)
def _encode(reply: Reply) -> tuple[bytes, tuple[bytes, ...]]:
    """The head (with a plain body) and the chunks of a stream, as they go over the wire."""
    plain = reply.events is None
    kind = "application/json" if plain else "text/event-stream"
    length = f"content-length: {len(reply.content)}" if plain else "transfer-encoding: chunked"
    more = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
    head = f"HTTP/1.1 {reply.status} Fake\r\ncontent-type: {kind}\r\n{length}\r\n{more}\r\n".encode()
    if plain:
        return head + (reply.content if reply.ending == "whole" else reply.content[:20]), ()
    return head, tuple(b"%x\r\n%b\r\n" % (len(event), event) for event in reply.events or ())


class _Connection(asyncio.Protocol):
    def __init__(self, server: "FakeOpenAI") -> None:
        self._server = server
        self._number = 0
        self._received = b""
        self._transport: asyncio.Transport
        self._slow: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._number = self._server.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._slow:
            self._slow.cancel()
        self._server.disconnected(self)

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._received = rest[length:]
        path, _, query = first.split(" ")[1].partition("?")
        request = Request(path, query, headers, rest[:length], self._number, monotonic())
        self._reply(self._server.reply(request))

    def _reply(self, reply: Reply) -> None:
        head, chunks = _encode(reply)
        if reply.events is None and reply.ending == "open":
            return
        if chunks and self._server.delay:
            self._slow = asyncio.ensure_future(self._trickle(head, chunks, reply.ending))
            return
        self._transport.write(head + b"".join(chunks))
        self._end(reply.ending, streamed=reply.events is not None)

    async def _trickle(self, head: bytes, chunks: tuple[bytes, ...], ending: Ending) -> None:
        self._transport.write(head)
        for chunk in chunks:
            await asyncio.sleep(self._server.delay)
            self._transport.write(chunk)
        self._end(ending, streamed=True)

    def _end(self, ending: Ending, *, streamed: bool) -> None:
        if ending == "broken":
            self._transport.close()
        elif ending == "whole" and streamed:
            self._transport.write(b"0\r\n\r\n")


@dataclass
class FakeOpenAI:
    """The server: `respond` decides every reply, `delay` is the seconds before each streamed event."""

    respond: Callable[[Request], Reply] = field(default_factory=Script)
    port: int = 0
    delay: float = 0
    record: bool = True
    """Whether `requests` keeps what came."""
    requests: list[Request] = field(default_factory=list)

    async def __aenter__(self) -> "FakeOpenAI":
        self._connections: set[_Connection] = set()
        self._count = 0
        self._idle = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        await self.all_closed()

    @property
    def url(self) -> str:
        """The base URL to give a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def all_closed(self, timeout: float = 5) -> None:
        """Returns when no connection is open any more."""
        if self._connections:
            self._idle.clear()
            await asyncio.wait_for(self._idle.wait(), timeout)

    def connected(self, connection: _Connection) -> int:
        self._connections.add(connection)
        self._count += 1
        return self._count

    def disconnected(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._idle.set()

    def reply(self, request: Request) -> Reply:
        if self.record:
            self.requests.append(request)
        return self.respond(request)


async def serve(port: int, words: int, delay: float) -> None:
    async with FakeOpenAI(Script(words), port=port, delay=delay, record=False) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    keep_lines = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=keep_lines)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--words", type=int, default=12, help="length of the usual answer")
    parser.add_argument("--delay", type=float, default=0, help="seconds before each streamed event")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.port, arguments.words, arguments.delay))


if __name__ == "__main__":
    main()
