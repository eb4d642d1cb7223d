"""Streams of teams are the peer's, event by event, except where `transcripts.txt` says why they aren't."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentos.agent import Agent
from agentos.errors import ModelError
from agentos.models.base import ModelRequest
from agentos.models.function import FunctionModel
from agentos.run.events import RunEvent
from agentos.run.wire import encode_event
from agentos.team import Team
from agentos.tools import tool
from tests.agent.models import call
from tests.team.teams import asked, confirmed, give, give_all, member, team

TOOL = ["tool_name", "tool_args", "tool_call_error", "result", "child_run_id", "requires_confirmation"]
TOOL += ["confirmed"]
SHOWN = ["agent_id", "team_id", "run_id", "parent_run_id", "model", "content", "error", "error_type", "tool"]
SHOWN += ["tools", "requirements", "member_responses"]


def recorded() -> dict[str, list[tuple[str, Any]]]:
    """The transcripts by their titles."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for line in Path(__file__).with_name("transcripts.txt").read_text("utf-8").splitlines():
        if line.startswith("### "):
            found[line.removeprefix("### ")] = []
        elif line and not line.startswith("#"):
            name, _, fields = line.partition(" ")
            list(found.values())[-1].append((name, json.loads(fields)))
    return found


RECORDED = recorded()


def whose(fields: dict[str, Any]) -> str:
    """The member that an event is about."""
    given = fields.get("tool", {}).get("tool_args", {})
    return str(fields.get("agent_id") or given.get("member_id"))


class Heard:
    """What was streamed, in the transcripts' form, and the places at which models wait for each other."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []
        self.seen: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._runs: dict[str, str] = {}

    async def take(self, stream: AsyncIterator[RunEvent]) -> list[tuple[str, Any]]:
        self.lines = []
        async for event in stream:
            name, text = encode_event(event)
            fields = self._numbered(json.loads(text))
            shown = {key: fields[key] for key in SHOWN if key in fields}
            before = self.lines[-1] if self.lines else ("", {})
            if name.endswith("RunContent") and (before[0], before[1]["run_id"]) == (name, shown["run_id"]):
                before[1]["content"] += shown["content"]
            else:
                self.lines.append((name, shown))
            self.seen[f"{name} {whose(fields)}"].set()
        return self.lines

    def _numbered(self, value: Any, key: str = "") -> Any:
        match value:
            case dict() if "tool_call_id" in value and "tool_name" in value:
                return {each: self._numbered(value[each], each) for each in TOOL if value[each] is not None}
            case dict():
                return {
                    each: self._numbered(inner, each) for each, inner in value.items() if self._is_kept(each)
                }
            case list():
                return [self._numbered(each) for each in value]
            case str() if key.endswith("run_id"):
                return self._runs.setdefault(value, f"#{len(self._runs) + 1}")
            case str():
                return re.sub(r"completed in \d+\.\d{4}s", "completed in …s", value)
            case _:
                return value

    @staticmethod
    def _is_kept(key: str) -> bool:
        return key not in {"created_at", "member_agent_name"}


def waiting(name: str, heard: Heard, place: str) -> Agent:
    """A member that doesn't speak before something was seen in the stream."""

    async def respond(request: ModelRequest) -> AsyncIterator[str]:
        await heard.seen[place].wait()
        for piece in f"{name} says: {asked(request)}".split(":"):
            yield piece if piece == name + " says" else f":{piece}"

    return Agent(id=name, model=FunctionModel(respond, id=name))


def pair(heard: Heard, until: str) -> list[Agent]:
    """Alpha speaks once beta was asked; beta once `until` was seen."""
    return [waiting("alpha", heard, "ModelRequestStarted beta"), waiting("beta", heard, until)]


@tool(requires_confirmation=True)
def wipe(path: str) -> str:
    """Wipes."""
    return f"wiped {path}"


def made(title: str, heard: Heard) -> Team:
    """The team of a transcript."""
    to_alpha = give(("alpha", "say A"))
    match title:
        case "coordinate, two members in one turn":
            two = give(("alpha", "say A"), ("beta", "say B"))
            return team(two, "final", members=pair(heard, "TeamToolCallCompleted alpha"))
        case "route":
            return team(to_alpha, members=[member("alpha"), member("beta")], mode="route")
        case "broadcast":
            members = pair(heard, "RunCompleted alpha")
            return team(give_all("x"), "synth", members=members, mode="broadcast")
        case "nested team":
            inner = team(to_alpha, "from inside", members=[member("alpha")], called="inner")
            return team(give(("inner", "ask")), "final", members=[inner])
        case "coordinate, member model fails":
            failing = member("alpha", ModelError("boom from model", code="model_error"))
            return team(give(("alpha", "x")), "fin", members=[failing])
        case _:
            wiping = member("alpha", [call("wipe", {"path": "/x"})], "wiped", tools=[wipe])
            return team(give(("alpha", "wipe it")), "final", members=[wiping])


@pytest.mark.parametrize("title", [title for title in RECORDED if "→" not in title])
async def test_streams_are_the_peers(title: str) -> None:
    heard = Heard()
    stream = made(title, heard).arun("go", stream=True, stream_events=True)
    async with asyncio.timeout(20):
        assert await heard.take(stream) == RECORDED[title]


async def test_the_stream_of_a_continued_team_is_the_peers() -> None:
    title = "coordinate, tool confirmation in a member"
    heard, wiping = Heard(), made(title, Heard())
    run = await wiping.arun("go")
    heard._numbered([{"run_id": run.run_id}, {"run_id": run.requirements[0].member_run_id}])
    confirmed(run.requirements)
    rest = wiping.acontinue_run(run, stream=True, stream_events=True)
    assert await heard.take(rest) == RECORDED[f"{title} → continue"]


@pytest.mark.parametrize("shown", [True, False])
async def test_only_all_events_show_the_members(shown: bool) -> None:
    asking = made("nested team", Heard())
    events = [event async for event in asking.arun("go", stream=True, stream_events=shown)]
    runnables = {event.origin.id for event in events if event.origin is not None}
    assert runnables == ({"team", "inner", "alpha"} if shown else {"team"})
