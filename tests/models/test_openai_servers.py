"""Answers of servers that imitate OpenAI's, as their documentation, source or users show them.

Each file of `shapes` is a server: what it sends (`chunks` of a stream, a whole `body`, or both), what shows
that it does, and what must come out. A chunk that is a string is raw text of the stream.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentos.agent import Agent
from agentos.errors import ModelError
from agentos.models.openai import OpenAIChat
from agentos.run.events import RunCompleted, ToolCallCompleted
from agentos.run.messages import ToolExecution
from agentos.run.records import RunStatus
from tests.fakes import openai_payloads as payloads
from tests.fakes.openai_script import Reply, json_reply, stream_reply
from tests.models.requests import ADD, ECHO, ask

SERVERS = {path.stem: json.loads(path.read_text()) for path in Path(__file__).parent.glob("shapes/*.json")}
PAGE = re.compile(r"https://[\w.-]+/\S+")
SOURCE_FILE = re.compile(r"[\w.-]+/[\w.-]+:[\w./-]+\.\w+")


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape, streamed or whole."""

    data: dict[str, Any]
    stream: bool

    @property
    def expected(self) -> dict[str, Any]:
        return self.data["expect"]

    def reply(self) -> Reply:
        if self.stream:
            events = [
                chunk.encode() if isinstance(chunk, str) else payloads.sse(chunk)
                for chunk in self.data["chunks"]
            ]
            return stream_reply(events)
        body = self.data["body"]
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return Reply(self.data.get("status", 200), content)


def shapes(*, failing: bool) -> list[object]:
    return [
        pytest.param(Shape(data, stream), id=f"{server}, {data['name']}, {kind}")
        for server, listed in sorted(SERVERS.items())
        for data in listed
        if ("error" in data["expect"]) is failing
        for kind, stream in (("chunks", True), ("body", False))
        if kind in data
    ]


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def echo(text: str) -> str:
    """Repeats."""
    return text


def answer_of(text: str, *, stream: bool) -> Reply:
    chunks = payloads.chat_stream(payloads.chat_chunks(text))
    return stream_reply(chunks) if stream else json_reply(payloads.chat(text))


async def run(model: OpenAIChat, *, stream: bool) -> tuple[object, list[ToolExecution]]:
    """The answer of a completed run, and its calls."""
    agent = Agent(model=model, tools=[add, echo])
    if not stream:
        output = await agent.arun("hello")
        assert output.status is RunStatus.COMPLETED
        return output.content, output.tools
    events = [event async for event in agent.arun("hello", stream=True, stream_events=True)]
    assert isinstance(events[-1], RunCompleted)
    return events[-1].content, [event.tool for event in events if isinstance(event, ToolCallCompleted)]


def test_all_servers_are_there_and_each_shape_says_where_it_is_from():
    assert len(SERVERS) == 13
    for server, listed in SERVERS.items():
        assert any("chunks" in each for each in listed), server
        assert any("body" in each for each in listed), server
        for each in listed:
            assert PAGE.fullmatch(each["source"]) or SOURCE_FILE.fullmatch(each["source"]), each["source"]


@pytest.mark.parametrize("shape", shapes(failing=False))
async def test_what_can_only_mean_one_thing_is_read_as_that(chat, replies, shape):
    replies(shape.reply())
    wanted = shape.expected
    deltas, response = await ask(chat, "hello", tools=[ADD, ECHO], stream=shape.stream)
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in response.tool_calls]
    assert (response.content or "") == wanted.get("text", "")
    assert (response.reasoning_content or "") == wanted.get("reasoning", "")
    assert calls == [tuple(call) for call in wanted.get("calls", ())]
    assert response.metrics.model_dump(include=set(wanted.get("usage", ()))) == wanted.get("usage", {})
    if shape.stream:
        assert "".join(delta.content for delta in deltas) == wanted.get("text", "")
        assert "".join(delta.reasoning_content for delta in deltas) == wanted.get("reasoning", "")


@pytest.mark.parametrize("shape", shapes(failing=True))
async def test_a_failure_is_one_however_it_is_told(chat, replies, shape):
    replies(shape.reply())
    with pytest.raises(ModelError, match=shape.expected.get("told")) as caught:
        await ask(chat, "hello", stream=shape.stream)
    assert caught.value.code == shape.expected["error"]


@pytest.mark.parametrize("shape", shapes(failing=False))
async def test_a_run_goes_on_from_it(make, server, replies, shape):
    wanted = shape.expected
    replies(shape.reply(), answer_of("Done.", stream=shape.stream))
    answer, executions = await run(make(OpenAIChat), stream=shape.stream)
    if "calls" not in wanted:
        assert answer == wanted["text"]
        return
    assert answer == "Done."
    made = [(each.tool_name, each.tool_args) for each in executions if not each.tool_call_error]
    assert made == [(name, arguments) for name, arguments in wanted["calls"]]
    sent = next(each for each in server.requests[-1].body["messages"] if each["role"] == "assistant")
    assert {name: sent.get(name) for name in wanted.get("sent_back", ())} == wanted.get("sent_back", {})
    for call, more in zip(sent["tool_calls"], wanted.get("sent_back_with_calls", ()), strict=False):
        assert {name: call[name] for name in call.keys() - {"id", "type", "function"}} == more
