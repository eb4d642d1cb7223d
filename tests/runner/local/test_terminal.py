"""`print_response`: what somebody at a terminal sees."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from io import StringIO

import pytest
from pydantic import BaseModel
from rich.console import Console

from agentos.errors import ModelError
from agentos.run.events import RunContent, RunEvent, ToolCallCompleted, ToolCallStarted
from agentos.run.messages import ToolExecution
from agentos.run.runnable import RunContext
from tests.runner.script import Script


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


async def shown(play: object, **options: object) -> str:
    out = StringIO()
    console = Console(file=out, width=80)
    await Script(play).aprint_response("2+2?", console=console, **options)  # type: ignore[arg-type]
    return out.getvalue()


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


async def test_an_object_is_shown_as_json() -> None:
    assert '"name": "Rome"' in await shown(structured)
