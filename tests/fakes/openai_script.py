"""Which reply the fake OpenAI gives to which request."""

import json
import re
from dataclasses import dataclass
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
    query: str
    headers: dict[str, str]
    content: bytes
    connection: int
    """1, 2, 3 … for each connection the server took."""
    at: float
    """Seconds of a monotonic clock."""

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
    """`broken` ends the connection halfway; `open` leaves the client waiting."""


def json_reply(data: object, status: int = 200, **headers: str) -> Reply:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, json.dumps(data).encode(), headers=pairs)


def error_reply(status: int, message: str = "told to fail", code: str = "fake", **headers: str) -> Reply:
    return json_reply({"error": {"message": message, "type": "fake", "code": code}}, status, **headers)


def stream_reply(events: list[bytes], ending: Ending = "whole") -> Reply:
    return Reply(events=tuple(events), ending=ending)


@lru_cache(maxsize=512)
def answer(
    chat: bool, stream: bool, text: str | None, calls: tuple[Call, ...] = (), usage: bool = True
) -> Reply:
    """The reply that carries `text` or `calls` in the dialect asked for."""
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
    """Answers by what the last user message says; see `openai_server`."""

    words: int = 12

    def __post_init__(self) -> None:
        self._sentence = " ".join(f"word{n}" for n in range(1, self.words + 1))

    def __call__(self, request: Request) -> Reply:
        chat = request.path.endswith("/chat/completions")
        if not chat and not request.path.endswith("/responses"):
            return error_reply(404, "no such route")
        body = request.body
        text, answered = _last_words(body["messages"] if chat else body["input"])
        usual = _fitting(body, text) or self._sentence
        calls = () if answered else _calls(text, body)
        stream = bool(body.get("stream"))
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        if calls:
            return answer(chat, stream, None, calls, usage)
        if not SCRIPTED.search(text):
            return answer(chat, stream, usual, (), usage)
        if found := re.search(r"\bfail with (\d{3})", text, re.IGNORECASE):
            return error_reply(int(found[1]), retry_after_ms="1")
        if found := re.search(r"\bsay (.+)", text, re.IGNORECASE | re.DOTALL):
            return answer(chat, stream, found[1], (), usage)
        whole = answer(chat, stream, usual, (), usage)
        if found := re.search(r"\b(break off|hang)\b", text, re.IGNORECASE):
            ending: Ending = "open" if found[1].lower() == "hang" else "broken"
            events = whole.events and whole.events[: len(whole.events) // 2]
            return Reply(content=whole.content, events=events, ending=ending)
        return whole


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
    offered = {tool.get("function", tool)["name"] for tool in body.get("tools", ())}
    found = [(name, arguments) for name, arguments in USE_TOOL.findall(text) if name in offered]
    return tuple(Call(f"call_{n}", name, arguments or "{}") for n, (name, arguments) in enumerate(found, 1))


def _fitting(body: dict, text: str) -> str | None:
    wanted = body.get("response_format") or body.get("text") or {}
    wanted = wanted.get("json_schema") or wanted.get("format") or {}
    if "schema" not in wanted:
        return None
    from agentos.models.example import example

    return json.dumps(example(wanted["schema"], text))
