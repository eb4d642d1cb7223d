"""`print_response`: what somebody at a terminal sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from io import StringIO
from typing import Any

import pytest
from pydantic import BaseModel
from rich.console import Console

from agentos.errors import ModelError
from agentos.run.events import RunContent, RunEvent, ToolCallCompleted, ToolCallStarted
from agentos.run.messages import ToolExecution
from agentos.run.runnable import RunContext
from tests.runner.script import Play, Script, probe


class City(BaseModel):
    name: str


async def with_a_tool(context: RunContext) -> AsyncGenerator[RunEvent]:
    tool = ToolExecution(tool_call_id="c", tool_name="add", tool_args={"a": 2})
    yield ToolCallStarted(tool=tool)
    yield ToolCallCompleted(tool=tool.model_copy(update={"result": "4"}))
    yield RunContent(content="It is **4**.", reasoning_content="Adding…")
    context.run.content = "It is **4**."


async def fails(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content="Well")
    raise ModelError("The model is busy.")


async def structured(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content="{")
    context.run.content, context.run.content_type = City(name="Rome"), "City"


async def silent(context: RunContext) -> AsyncGenerator[RunEvent]:
    context.run.content = "Nothing to add."
    return
    yield


async def waits(context: RunContext) -> AsyncGenerator[RunEvent]:
    context.run.tools = [
        ToolExecution(tool_call_id="c", tool_name="pay", tool_args={"to": "bo"}, requires_confirmation=True)
    ]
    return
    yield


def asks(*members: Script) -> Play:
    """A run that has each member work in a nested run, one after the other, and then speaks."""

    async def play(context: RunContext) -> AsyncGenerator[RunEvent]:
        for member in members:
            await context.child(member, "2+2?", name=member.id)
        yield RunContent(content="They are done.")
        context.run.content = "They are done."

    return play


async def shown(play: Play, *, with_members: bool = False, **options: Any) -> str:
    out = StringIO()
    runnable = Script(play)
    runnable.show_members_responses = with_members
    await runnable.aprint_response("2+2?", console=Console(file=out, width=80), **options)
    return out.getvalue()


def panels(text: str) -> dict[str, list[str]]:
    """The lines of each panel by its title."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("╭"):
            lines = found.setdefault(line.strip("╭─╮ "), [])
        elif line.startswith("│"):
            lines.append(line.strip("│")[1:].rstrip())
    return found


async def test_message_tools_reasoning_and_answer_are_shown() -> None:
    text = await shown(with_a_tool)
    for part in ("2+2?", "add(a=2) done", "Adding…", "It is 4.", "Response ("):
        assert part in text
    assert text.endswith("╯\n")


@pytest.mark.parametrize(
    ("options", "there", "not_there"),
    [
        ({"show_message": False}, "It is 4.", "2+2?"),
        ({"markdown": False}, "It is **4**.", "It is 4."),
        ({"stream": False}, "It is 4.", "Error"),
    ],
)
async def test_each_option_does_what_it_says(options: dict[str, bool], there: str, not_there: str) -> None:
    text = await shown(with_a_tool, **options)
    assert there in text
    assert not_there not in text


async def test_a_failure_says_what_happened() -> None:
    text = await shown(fails)
    assert "Error" in text
    assert "The model is busy." in text


async def test_a_nested_run_has_a_line_and_leaves_the_answer_alone() -> None:
    members = [probe("alpha", with_a_tool), probe("beta", fails), probe("gamma", silent)]
    text = await shown(asks(*members))
    found = panels(text)
    assert found["Members"] == ["• Alpha done", "• Beta failed", "• Gamma done"]
    assert "Tool calls" not in found
    assert "Reasoning" not in found
    (answer,) = (lines for title, lines in found.items() if title.startswith("Response"))
    assert answer == ["They are done."]
    assert "The model is busy." not in text


async def test_members_answers_have_panels_if_they_are_wanted() -> None:
    members = [probe("alpha", with_a_tool), probe("beta", fails), probe("gamma", silent)]
    text = await shown(asks(*members), with_members=True)
    found = {title.partition(" ")[0].strip(","): lines for title, lines in panels(text).items()}
    assert list(found) == ["Message", "Members", "Alpha", "Beta", "Gamma", "Response"]
    assert found["Alpha"] == ["It is 4."]
    assert found["Beta"] == ["The model is busy."]
    assert found["Gamma"] == ["Nothing to add."]
    assert found["Response"] == ["They are done."]


async def test_runs_below_a_member_stand_below_it() -> None:
    alpha_has_begun = asyncio.Event()

    async def alpha(context: RunContext) -> AsyncGenerator[RunEvent]:
        yield RunContent(content="Here.")
        alpha_has_begun.set()

    async def inner(context: RunContext) -> AsyncGenerator[RunEvent]:
        await alpha_has_begun.wait()
        await context.child(probe("delta", with_a_tool), "2+2?", name="delta")
        return
        yield

    async def both(context: RunContext) -> AsyncGenerator[RunEvent]:
        members = (probe("inner", inner), probe("alpha", alpha))
        await asyncio.gather(*(context.child(member, "2+2?", name=member.id) for member in members))
        return
        yield

    found = panels(await shown(both))
    assert found["Members"] == ["• Inner done", "  • Delta done", "• Alpha done"]


async def test_a_member_that_waits_pauses_what_is_shown() -> None:
    found = panels(await shown(asks(probe("alpha", waits))))
    assert found["Members"] == ["• Alpha waits"]
    assert found["Paused"][-1] == "Waits for a person: pay(to='bo')"


async def test_an_object_is_shown_as_json() -> None:
    assert '"name": "Rome"' in await shown(structured)
