"""Paused runs that are stored: anybody who may can continue them, from what the database says."""

from __future__ import annotations

import asyncio

import pytest

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.db.contracts.memories import MemoryQuery
from agentos.errors import ApprovalPendingError, ConflictError, InvalidInputError, NotFoundError
from agentos.memory import MemoryManager
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunOutput, RunStatus
from agentos.run.request import RunRequest
from agentos.runner.accept import Place, accept
from agentos.runner.events.writer import LogWriter
from agentos.runner.execution.live_runs import launch
from agentos.tools import approval, tool
from tests.agent.models import call, scripted

sent: list[str] = []


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    sent.clear()


@tool(requires_confirmation=True)
def send(to: str) -> str:
    """Sends a message."""
    sent.append(to)
    return f"sent to {to}"


def agent(db: Db, *turns: object, made: object = send, **options: object) -> Agent:
    return Agent(id="mailer", model=scripted(*turns)[0], db=db, tools=[made], **options)  # type: ignore[arg-type]


async def paused(db: Db, user_id: str | None = "alice") -> RunOutput:
    run = await agent(db, [call("send", {"to": "bo"})]).arun("go", user_id=user_id)
    assert run.is_paused
    return run


async def test_another_process_goes_on_with_a_stored_run(db: Db) -> None:
    run = await paused(db)
    stored = await db.get_run(run.run_id, owner="alice")
    assert stored is not None
    assert (stored.status, stored.tools) == (RunStatus.PAUSED, run.tools)
    requirements = stored.requirements
    requirements[0].confirm()
    rest = await agent(db, "done").acontinue_run(run_id=run.run_id, requirements=requirements)
    assert (rest.status, rest.content, sent) == (RunStatus.COMPLETED, "done", ["bo"])
    ended = await db.get_run(run.run_id, owner="alice")
    assert ended is not None
    assert (ended.status, ended.content, len(ended.messages)) == (RunStatus.COMPLETED, "done", 4)


async def test_what_is_decided_stays_among_the_requirements_until_the_run_goes_on(db: Db) -> None:
    run = await paused(db)
    for requirement in run.requirements:
        requirement.confirm()
    assert ([each.is_resolved for each in run.requirements], run.active_requirements) == ([True], [])
    rest = await agent(db, "done").acontinue_run(run_id=run.run_id, requirements=run.requirements)
    assert (rest.status, rest.requirements, sent) == (RunStatus.COMPLETED, [], ["bo"])


@pytest.mark.parametrize(("user_id", "may"), [("alice", True), ("bob", False), (None, True)])
async def test_a_run_is_its_owners_to_continue(db: Db, user_id: str | None, may: bool) -> None:
    run = await paused(db)
    run.requirements[0].confirm()
    going_on = agent(db, "done").acontinue_run(run, user_id=user_id)
    if may:
        assert (await going_on).status is RunStatus.COMPLETED
    else:
        with pytest.raises(NotFoundError):
            await going_on
    assert sent == (["bo"] if may else [])


async def test_another_agent_or_session_hasnt_the_run(db: Db) -> None:
    run = await paused(db)
    run.requirements[0].confirm()
    other = Agent(id="other", model=scripted("done")[0], db=db, tools=[send])
    with pytest.raises(NotFoundError):
        await other.acontinue_run(run)
    with pytest.raises(NotFoundError):
        await agent(db, "done").acontinue_run(run, session_id="another")
    assert (await agent(db, "done").acontinue_run(run, session_id=run.session_id)).content == "done"


async def test_arguments_come_from_the_database_and_decisions_from_the_caller(db: Db) -> None:
    run = await paused(db)
    run.tools[0].tool_args = {"to": "mallory"}
    run.messages[1].tool_calls[0].function.arguments = '{"to": "mallory"}'  # type: ignore[index]
    run.requirements[0].confirm()
    await agent(db, "done").acontinue_run(run)
    assert sent == ["bo"]


async def test_a_run_goes_on_once(db: Db) -> None:
    run = await paused(db)
    with pytest.raises(InvalidInputError, match="'confirmed'"):
        await agent(db, "done").acontinue_run(run)
    run.requirements[0].confirm()
    tries = [agent(db, "done").acontinue_run(run) for _ in range(2)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(outcome) for outcome in outcomes if isinstance(outcome, Exception)) == [ConflictError]
    assert sent == ["bo"]


async def test_the_log_of_a_run_that_a_server_began_goes_on_to_its_end(db: Db) -> None:
    began, log = agent(db, [call("send", {"to": "bo"})]), LogWriter(db, worker_id="server")
    await db.beat("server")
    arguments = RunRequest(input=RunInput(input_content="go"), anyone=True)
    job = await accept(began, arguments, place=Place("server"))
    run = await launch(began, job, log=log).finished()
    await log.close()
    run.requirements[0].confirm()
    await agent(db, "done").acontinue_run(run)
    lines = await db.read_events(run.run_id, after=0, owner=ANYONE)
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    names = [line.name for line in lines]
    assert names[names.index("RunPaused") + 1] == "RunContinued"
    assert names[-1] == "RunCompleted"


async def test_the_history_goes_on_with_the_run(db: Db) -> None:
    first = agent(db, "hello", [call("send", {"to": "bo"})], add_history_to_context=True)
    await first.arun("hi", session_id="s")
    run = await first.arun("go", session_id="s")
    run.requirements[0].confirm()
    model, requests = scripted("done")
    await Agent(id="mailer", model=model, db=db, tools=[send], add_history_to_context=True).acontinue_run(run)
    assert [m.content for m in requests[0].messages if m.role in {"user", "assistant"}] == [
        "hi", "hello", "go", None,
    ]  # fmt: skip


async def test_a_pause_leaves_the_memories_to_the_end(db: Db) -> None:
    keeper, asked = scripted([call("add_memory", {"memory": "Alice writes to Bo."})], "done")
    options = {"update_memory_on_run": True, "memory_manager": MemoryManager(model=keeper)}
    run = await agent(db, [call("send", {"to": "bo"})], **options).arun("go", user_id="alice")
    assert not asked
    run.requirements[0].confirm()
    await agent(db, "done", **options).acontinue_run(run)
    assert (await db.list_memories(MemoryQuery(), owner="alice")).total == 1


async def test_an_approval_is_another_persons(db: Db) -> None:
    made = approval(expires_in=60)(send)
    run = await agent(db, [call("send", {"to": "bo"})], made=made).arun("go", user_id="alice")
    run.requirements[0].confirm()
    with pytest.raises(ApprovalPendingError):
        await agent(db, "done", made=made).acontinue_run(run)
    (asked,) = await db.approvals_of([run.run_id], owner=ANYONE)
    await db.resolve_approval(asked.id, status="approved", resolved_by="carol", owner=ANYONE)
    assert (await agent(db, "done", made=made).acontinue_run(run)).status is RunStatus.COMPLETED
    assert sent == ["bo"]


async def test_cancelling_a_run_ends_those_that_its_tools_await(db: Db) -> None:
    began = asyncio.Event()

    async def hang() -> str:
        """Never ends."""
        began.set()
        await asyncio.Event().wait()
        return ""

    inner = Agent(id="inner", model=scripted([call("hang")])[0], db=db, tools=[hang])

    async def ask_inner() -> str:
        """Asks another agent."""
        return str((await inner.arun("go", session_id="inner", user_id="alice")).content)

    outer = Agent(id="outer", model=scripted([call("ask_inner")])[0], db=db, tools=[ask_inner])
    running = asyncio.create_task(outer.arun("go", session_id="outer", user_id="alice"))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for session_id in ("outer", "inner"):
        (run,) = await db.list_runs(session_id, owner="alice")
        assert run.status is RunStatus.CANCELLED, session_id
