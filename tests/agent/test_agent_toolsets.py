"""Tools that are discovered when a run begins: opened, called and closed in the run's own task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from agentos.agent import Agent
from agentos.errors import AgentOSError, ConfigurationError, InvalidInputError
from agentos.run.records import RunOutput, RunStatus
from agentos.run.runnable import RunContext
from agentos.tools import RuledToolset, Tool, Toolbox, Toolkit, ToolRules, Toolset, tool
from agentos.tools.approval import ApprovalRule
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


class Changing(Toolset):
    """Offers `pay`, under other rules in each segment of a run; None: not at all."""

    def __init__(self, *rules: dict[str, Any] | None) -> None:
        self.rules = list(rules)
        self.paid: list[int] = []

    @asynccontextmanager
    async def open(self, context: RunContext) -> AsyncGenerator[Toolbox]:
        def pay(amount: int) -> str:
            """Pays."""
            self.paid.append(amount)
            return "paid"

        rules = self.rules.pop(0)
        yield Toolbox.of([] if rules is None else [replace(Tool.of(pay), **rules)])


CONFIRMED, ASKED = {"requires_confirmation": True}, {"requires_user_input": True}
ELSEWHERE, APPROVED = {"external_execution": True}, {"approval": ApprovalRule()}


async def paused(changing: Changing) -> tuple[Agent, RunOutput]:
    model, _ = scripted([call("pay", {"amount": 5})], "done")
    agent = Agent(model=model, tools=[changing])
    run = await agent.arun("pay")
    assert (run.status, changing.paid) == (RunStatus.PAUSED, [])
    return agent, run


def answered(run: RunOutput) -> RunOutput:
    (requirement,) = run.requirements
    if requirement.needs_user_input:
        requirement.provide_user_input({"amount": 7})
    else:
        requirement.confirm()
    return run


@pytest.mark.parametrize(
    ("before", "after"),
    [(ASKED, CONFIRMED), (ASKED, ELSEWHERE), (CONFIRMED, ASKED), (CONFIRMED, ELSEWHERE)],
)
async def test_a_call_heeds_what_its_tool_has_come_to_want(before, after) -> None:
    changing = Changing(before, after, after)
    agent, run = await paused(changing)
    run = await agent.acontinue_run(answered(run))
    assert (run.status, changing.paid) == (RunStatus.PAUSED, [])
    (requirement,) = run.requirements
    if after is ELSEWHERE:
        requirement.set_external_execution_result("paid there")
    else:
        answered(run)
    run = await agent.acontinue_run(run)
    assert (run.status, run.tools[0].result) == (
        RunStatus.COMPLETED,
        "paid there" if after is ELSEWHERE else "paid",
    )
    assert changing.paid == ([] if after is ELSEWHERE else [7])


@pytest.mark.parametrize("before", [CONFIRMED, ASKED])
async def test_a_users_answer_replaces_no_approval(before) -> None:
    changing = Changing(before, APPROVED)
    agent, run = await paused(changing)
    run = await agent.acontinue_run(answered(run))
    assert (run.status, changing.paid) == (RunStatus.PAUSED, [])
    assert (run.tools[0].approval_type, run.tools[0].confirmed) == ("required", None)
    assert run.tools[0].approval_id


@pytest.mark.parametrize(("agrees", "paid"), [(True, [5]), (False, [])])
async def test_a_call_waits_though_its_tool_has_lost_its_confirmation(agrees, paid) -> None:
    changing = Changing(CONFIRMED, {}, {})
    agent, run = await paused(changing)
    with pytest.raises(InvalidInputError):
        await agent.acontinue_run(run)
    assert changing.paid == []
    requirement = run.requirements[0]
    requirement.confirm() if agrees else requirement.reject()
    run = await agent.acontinue_run(run)
    assert (run.status, changing.paid) == (RunStatus.COMPLETED, paid)


async def test_a_call_whose_tool_is_gone_is_an_error_for_the_model() -> None:
    changing = Changing(CONFIRMED, None)
    agent, run = await paused(changing)
    run = await agent.acontinue_run(answered(run))
    assert (run.status, run.tools[0].tool_call_error) == (RunStatus.COMPLETED, True)
    assert "no tool 'pay'" in (run.tools[0].result or "")


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
