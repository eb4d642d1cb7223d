"""A small, fast server that speaks OpenAI's chat completions and responses, the same way every time.

In a test: `async with FakeOpenAI() as server: OpenAIChat(base_url=server.url, api_key="…")`.
As a process: `python tests/fakes/openai_server.py --port 0` prints its URL for OPENAI_BASE_URL.

What the last user message says decides the answer:

    use the tool NAME            calls NAME if it is offered; `… with {"a": 1}` gives its arguments;
                                 said of several tools, calls all of them at once
    say TEXT                     answers TEXT
    fail with 429                answers that HTTP status
    break off                    ends the connection in the middle of the answer
    hang                         begins a stream and never ends it; a plain answer never comes
    anything else                answers a sentence of `words` words
"""

import argparse
import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from tests.fakes import openai_payloads as payloads
from tests.fakes.openai_payloads import Call

Ending = Literal["whole", "broken", "open"]
SCRIPTED = re.compile(r"use the tool|say |fail with|break off|hang", re.IGNORECASE)
USE_TOOL = re.compile(r"use the tool (\w+)(?: with (\{[^{}]*\}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came."""

    path: str
    headers: dict[str, str]
    content: bytes
    connection: int
    """1, 2, 3 … for each connection the server took."""

    @property
    def body(self) -> dict:
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: `content` whole, or `events` as a chunked stream."""

    status: int = 200
    content: bytes = b""
    events: tuple[bytes, ...] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    ending: Ending = "whole"


def json_reply(data: object, status: int = 200, **headers: str) -> Reply:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, json.dumps(data).encode(), headers=pairs)


def error_reply(status: int, message: str = "The fake was told to fail.", **headers: str) -> Reply:
    return json_reply({"error": {"message": message, "type": "fake", "code": "fake"}}, status, **headers)


def stream_reply(events: list[bytes], ending: Ending = "whole") -> Reply:
    return Reply(events=tuple(events), ending=ending)


@lru_cache(maxsize=512)
def answer(chat: bool, stream: bool, text: str | None, calls: tuple[Call, ...], usage: bool) -> Reply:
    """The reply that carries `text` and `calls` in the dialect asked for."""
    if chat:
        if stream:
            return stream_reply(payloads.chat_stream(payloads.chat_chunks(text, calls, usage=usage)))
        return json_reply(payloads.chat(text, calls))
    items = [payloads.call_item(call) for call in calls] if calls else [payloads.message_item(text or "")]
    if stream:
        return stream_reply(payloads.response_stream(payloads.response_events(items)))
    return json_reply(payloads.response(items))


@dataclass
class Script:
    """Answers by what the last user message says."""

    words: int = 12

    def __post_init__(self) -> None:
        self._sentence = " ".join(f"word{n}" for n in range(1, self.words + 1))

    def __call__(self, request: Request) -> Reply:
        body = request.body
        chat = request.path.endswith("/chat/completions")
        if not chat and not request.path.endswith("/responses"):
            return error_reply(404, "No such route.")
        stream = bool(body.get("stream"))
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        text, answered = _last_words(body["messages"] if chat else body["input"])

        def say(text: str | None, calls: tuple[Call, ...] = ()) -> Reply:
            return answer(chat, stream, text, calls, usage)

        if not SCRIPTED.search(text):
            return say(self._sentence)
        if not answered and (calls := _calls(text, body)):
            return say(None, calls)
        if found := re.search(r"fail with (\d{3})", text, re.IGNORECASE):
            return error_reply(int(found[1]), retry_after_ms="1")
        if found := re.search(r"\bsay (.+)", text, re.IGNORECASE | re.DOTALL):
            return say(found[1])
        if found := re.search(r"\b(break off|hang)\b", text, re.IGNORECASE):
            whole = say(self._sentence)
            ending: Ending = "open" if found[1].lower() == "hang" else "broken"
            events = whole.events and whole.events[: len(whole.events) // 2]
            return Reply(content=whole.content, events=events, ending=ending)
        return say(self._sentence)


def _last_words(messages: str | list[dict]) -> tuple[str, bool]:
    """What the user said last, and whether a tool has answered since."""
    if isinstance(messages, str):
        return messages, False
    answered = False
    for message in reversed(messages):
        answered = answered or message.get("role") == "tool" or message.get("type") == "function_call_output"
        if message.get("role") == "user":
            content = message["content"]
            return content if isinstance(content, str) else _text(content), answered
    return "", answered


def _text(parts: list[dict]) -> str:
    return " ".join(part["text"] for part in parts if "text" in part)


def _calls(text: str, body: dict) -> tuple[Call, ...]:
    offered = {
        tool["function"]["name"] if "function" in tool else tool["name"] for tool in body.get("tools", ())
    }
    found = [(name, arguments) for name, arguments in USE_TOOL.findall(text) if name in offered]
    return tuple(Call(f"call_{n}", name, arguments or "{}") for n, (name, arguments) in enumerate(found, 1))


@lru_cache(maxsize=512)
def _encode(reply: Reply) -> tuple[bytes, tuple[bytes, ...]]:
    """The head (with a plain body) and the chunks of a stream, as they go over the wire."""
    plain = reply.events is None
    kind = "application/json" if plain else "text/event-stream"
    length = f"content-length: {len(reply.content)}" if plain else "transfer-encoding: chunked"
    more = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
    head = f"HTTP/1.1 {reply.status} Fake\r\ncontent-type: {kind}\r\n{length}\r\n{more}\r\n".encode()
    if plain:
        body = reply.content if reply.ending == "whole" else reply.content[: len(reply.content) // 2]
        return head + body, ()
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
        self._reply(self._server.reply(Request(first.split(" ")[1], headers, rest[:length], self._number)))

    def _reply(self, reply: Reply) -> None:
        head, chunks = _encode(reply)
        if reply.events is None and reply.ending == "open":
            return
        if chunks and self._server.delay:
            self._slow = asyncio.ensure_future(self._trickle(head, chunks, reply.ending))
            return
        self._transport.write(head + b"".join(chunks))
        self._end(reply)

    async def _trickle(self, head: bytes, chunks: tuple[bytes, ...], ending: Ending) -> None:
        self._transport.write(head)
        for chunk in chunks:
            await asyncio.sleep(self._server.delay)
            self._transport.write(chunk)
        self._end(Reply(events=chunks, ending=ending))

    def _end(self, reply: Reply) -> None:
        if reply.ending == "broken":
            self._transport.close()
        elif reply.ending == "whole" and reply.events is not None:
            self._transport.write(b"0\r\n\r\n")


@dataclass
class FakeOpenAI:
    """The server; `respond` decides every reply, `delay` is the seconds before each streamed event."""

    respond: Callable[[Request], Reply] = field(default_factory=Script)
    port: int = 0
    delay: float = 0
    record: bool = True
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--words", type=int, default=12, help="length of the usual answer")
    parser.add_argument("--delay", type=float, default=0, help="seconds before each streamed event")
    arguments = parser.parse_args()
    try:
        asyncio.run(serve(arguments.port, arguments.words, arguments.delay))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
