"""A call is known by its id: what a person decides on one never counts for another."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.errors import ConflictError
from agentos.run.events import RunContent, RunEvent
from agentos.run.messages import ToolCall, ToolExecution
from agentos.run.records import RunStatus
from agentos.run.runnable import RunContext
from agentos.runner.settings import RunSettings
from agentos.tools import tool
from tests.agent.models import call, scripted
from tests.runner.script import Script

dropped: list[str] = []


@tool(requires_confirmation=True)
def drop(what: str) -> str:
    """Drops it."""
    dropped.append(what)
    return f"dropped {what}"


def dropping(what: str) -> ToolCall:
    return call("drop", {"what": what}, call_id="call-1")


def asking(member: Agent, db: Db) -> Script:
    """A runnable that leaves everything to a nested run."""

    async def play(context: RunContext) -> AsyncGenerator[RunEvent]:
        yield RunContent(content="I ask.")
        context.run.content = (await context.child(member, "go", name="one")).content

    return Script(play, RunSettings(db=db))


async def test_a_decision_is_about_one_of_two_calls_with_one_id(db: Db) -> None:
    dropped.clear()
    model, requests = scripted([dropping("a crumb"), dropping("everything")], "Done.")
    agent = Agent(model=model, tools=[drop], db=db)
    run = await agent.arun("go", user_id="ann")
    first, second = run.requirements
    assert first.id != second.id
    first.confirm()
    run = await agent.acontinue_run(run_id=run.run_id, requirements=[first], user_id="ann")
    assert (run.status, dropped) == (RunStatus.PAUSED, ["a crumb"])
    second.reject("No.")
    run = await agent.acontinue_run(run_id=run.run_id, requirements=[second], user_id="ann")
    assert (run.status, dropped) == (RunStatus.COMPLETED, ["a crumb"])
    answers = {each.tool_call_id: each.content for each in requests[-1].messages if each.role == "tool"}
    assert answers[first.id] == "dropped a crumb"
    assert "No." in (answers[second.id] or "")


async def test_each_turn_has_ids_of_its_own() -> None:
    dropped.clear()
    model, _ = scripted([dropping("a")], [dropping("b")], "Done.")
    agent = Agent(model=model, tools=[drop])
    run = await agent.arun("go")
    run.requirements[0].confirm()
    run = await agent.acontinue_run(run)
    assert len({each.tool_call_id for each in run.tools}) == 2
    assert (run.status, dropped) == (RunStatus.PAUSED, ["a"])
    run.requirements[0].confirm()
    assert (await agent.acontinue_run(run)).content == "Done."
    assert dropped == ["a", "b"]


async def test_a_decision_is_about_one_call_of_a_nested_run_too(db: Db) -> None:
    dropped.clear()
    model, _ = scripted([dropping("a crumb"), dropping("everything")], "Done.")
    member = Agent(id="member", model=model, tools=[drop])
    root = asking(member, db)
    run = await root.arun("go", user_id="ann")
    first, _ = run.requirements
    first.confirm()
    run = await root.acontinue_run(run_id=run.run_id, requirements=[first], user_id="ann")
    assert (run.status, dropped) == (RunStatus.PAUSED, ["a crumb"])
    (second,) = run.requirements
    second.confirm()
    run = await root.acontinue_run(run_id=run.run_id, requirements=[second], user_id="ann")
    assert (run.status, dropped) == (RunStatus.COMPLETED, ["a crumb", "everything"])


async def test_whoever_read_a_run_before_its_nested_run_went_on_comes_too_late(db: Db) -> None:
    dropped.clear()
    model, _ = scripted([dropping("a crumb")], [dropping("everything")], "Done.")
    member = Agent(id="member", model=model, tools=[drop])
    root = asking(member, db)
    run = await root.arun("go", user_id="ann")
    early = await db.get_run(run.run_id, owner="ann")
    assert early is not None
    (first,) = run.requirements
    first.confirm()
    run = await root.acontinue_run(run_id=run.run_id, requirements=[first], user_id="ann")
    assert run.is_paused
    with pytest.raises(ConflictError):
        await db.reopen_run(early, {}, owner="ann", worker_id="late")
    (second,) = run.requirements
    assert second.id != first.id
    second.confirm()
    run = await root.acontinue_run(run_id=run.run_id, requirements=[second], user_id="ann")
    assert (run.status, dropped) == (RunStatus.COMPLETED, ["a crumb", "everything"])


async def test_two_calls_with_one_id_in_an_older_row_are_decided_by_nobody(db: Db) -> None:
    async def play(context: RunContext) -> AsyncGenerator[RunEvent]:
        yield RunContent(content="I ask.")
        for what in ("a crumb", "everything"):
            context.run.tools.append(
                ToolExecution(
                    tool_call_id="call-1",
                    tool_name="drop",
                    tool_args={"what": what},
                    requires_confirmation=True,
                )
            )

    root = Script(play, RunSettings(db=db))
    run = await root.arun("go", user_id="ann")
    assert len(run.requirements) == 2
    run.requirements[0].confirm()
    with pytest.raises(ConflictError, match="cancel the run"):
        await root.acontinue_run(run_id=run.run_id, requirements=run.requirements[:1], user_id="ann")
    stored = await db.get_run(run.run_id, owner="ann")
    assert stored is not None
    assert len(stored.requirements) == 2
