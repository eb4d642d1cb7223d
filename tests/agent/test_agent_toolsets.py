"""Tools that are discovered when a run begins: opened, called and closed in the run's own task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from agentos.agent import Agent
from agentos.errors import AgentOSError, ConfigurationError
from agentos.run.records import RunStatus
from agentos.run.runnable import RunContext
from agentos.tools import RuledToolset, Tool, Toolbox, Toolkit, ToolRules, Toolset, tool
from tests.agent.models import call, scripted


def base() -> str:
    """A tool that is known."""
    return "known"


class Shelf(Toolset):
    """Offers a tool for the run's user, and notes what becomes of it."""

    def __init__(self, *, name: str = "look", fails: str = "") -> None:
        self.name = name
        self.fails = fails
        self.notes: list[str] = []
        self.tasks: list[asyncio.Task[None] | None] = []

    @asynccontextmanager
    async def open(self, context: RunContext) -> AsyncGenerator[Toolbox]:
        self._note("opened")
        if self.fails == "open":
            raise AgentOSError("The shelf is locked: unlock it.")

        def look() -> str:
            """Looks at the shelf."""
            self.notes.append("called")
            return f"a book of {context.user_id}'s"

        try:
            yield Toolbox.of([Tool.of(look, name=self.name)], "Look before you answer.")
        finally:
            self._note("closed")
        if self.fails == "close":
            raise OSError("the shelf fell down")

    async def aclose(self) -> None:
        self.notes.append("gone")

    def _note(self, what: str) -> None:
        self.notes.append(what)
        self.tasks.append(asyncio.current_task())


async def test_discovered_tools_live_as_long_as_the_run() -> None:
    shelf = Shelf()
    model, requests = scripted([call("look"), call("base", call_id="call-2")], "A book.")
    agent = Agent(model=model, tools=[shelf, base], instructions="Be brief.")
    run = await agent.arun("what is there?", user_id="ada")
    assert [each.result for each in run.tools] == ["a book of ada's", "known"]
    assert [spec.name for spec in requests[0].tools] == ["base", "look"]
    assert "Look before you answer." in (requests[0].messages[0].content or "")
    assert shelf.notes == ["opened", "called", "closed"]
    assert shelf.tasks[0] is shelf.tasks[1]
    assert list(agent.known_tools) == ["base"]
    await agent.aclose()
    assert shelf.notes[-1] == "gone"


async def test_each_segment_of_a_run_opens_them_anew() -> None:
    shelf = Shelf()
    model, _ = scripted([call("look")], "A book.")
    agent = Agent(model=model, tools=[RuledToolset(shelf, ToolRules(requires_confirmation_tools=["l*"]))])
    run = await agent.arun("what is there?")
    assert (run.status, shelf.notes) == (RunStatus.PAUSED, ["opened", "closed"])
    run.requirements[0].confirm()
    run = await agent.acontinue_run(run)
    assert (run.content, shelf.notes) == ("A book.", ["opened", "closed", "opened", "called", "closed"])


async def test_a_toolset_that_does_not_open_fails_the_run_with_its_sentence() -> None:
    first, second = Shelf(), Shelf(name="other", fails="open")
    model, requests = scripted("never said")
    run = await Agent(model=model, tools=[first, second]).arun("hi")
    assert (run.status, run.content) == (RunStatus.ERROR, "The shelf is locked: unlock it.")
    assert first.notes == ["opened", "closed"]
    assert requests == []


async def test_a_toolset_that_does_not_close_costs_no_answer(caplog) -> None:
    first, second = Shelf(fails="close"), Shelf(name="other")
    model, _ = scripted("An answer.")
    run = await Agent(model=model, tools=[first, second]).arun("hi")
    assert (run.status, run.content) == (RunStatus.COMPLETED, "An answer.")
    assert "Failed to close" in caplog.text
    assert [each.notes for each in (first, second)] == [["opened", "closed"]] * 2


async def test_a_cancelled_run_closes_them() -> None:
    shelf, called = Shelf(), asyncio.Event()

    async def hang() -> None:
        """Never returns."""
        called.set()
        await asyncio.Event().wait()

    model, _ = scripted([call("hang")])
    running = asyncio.create_task(Agent(model=model, tools=[shelf, hang]).arun("hi"))
    await called.wait()
    running.cancel()
    await asyncio.wait([running])
    assert shelf.notes == ["opened", "closed"]


async def test_two_tools_of_one_name_fail_the_run() -> None:
    model, _ = scripted("never said")
    run = await Agent(model=model, tools=[Shelf(name="base"), base]).arun("hi")
    assert (run.status, run.content) == (
        RunStatus.ERROR,
        "Two tools are named 'base': rename one with @tool(name=…).",
    )


async def test_a_rule_that_guards_nothing_fails_the_run() -> None:
    model, _ = scripted("never said")
    rules = ToolRules(requires_confirmation_tools=["delete"])
    run = await Agent(model=model, tools=[RuledToolset(Shelf(), rules)]).arun("hi")
    assert run.status is RunStatus.ERROR
    assert "names 'delete', but it has ['look']" in run.content


async def test_a_pattern_may_match_nothing_in_this_run() -> None:
    model, requests = scripted("hello")
    rules = ToolRules(requires_confirmation_tools=["delete_*"])
    run = await Agent(model=model, tools=[RuledToolset(Shelf(), rules)]).arun("hi")
    assert run.status is RunStatus.COMPLETED
    assert [spec.name for spec in requests[0].tools] == ["look"]


async def test_rules_go_around_a_toolkit_too() -> None:
    @tool(instructions="Never twice.")
    def drop() -> None:
        """Drops it."""

    kit = Toolkit("kit", [base, drop], instructions="Use the kit.", add_instructions=True)
    model, requests = scripted("hello")
    await Agent(model=model, tools=[RuledToolset(kit, ToolRules(exclude_tools=["drop"]))]).arun("hi")
    assert [spec.name for spec in requests[0].tools] == ["base"]
    told = requests[0].messages[0].content or ""
    assert "Use the kit." in told
    assert "Never twice." not in told


def test_a_rule_for_known_tools_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="exclude_tools of the toolkit 'kit' names 'dr\\*'"):
        Toolkit("kit", [base], exclude_tools=["dr*"])
