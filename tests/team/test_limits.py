"""Where a team's work ends early: its budget, its places, and whoever cancels it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from agentos.agent import Agent
from agentos.models.base import ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.budget import Budget
from agentos.run.events import RunContent
from agentos.run.messages import Metrics
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.run.wire import decode_event
from agentos.runner.execution.child import MAX_CHILDREN
from agentos.runner.service import RunService
from agentos.tools import tool
from agentos.tools.result import MAX_RESULT
from tests.agent.models import call
from tests.team.teams import asked, give, give_all, labelled, member, results, row, rows, says, team


class Hanging:
    """Members that say something and then nothing more, and others that wait for that."""

    def __init__(self) -> None:
        self.reached = asyncio.Semaphore(0)

    def member(self, name: str) -> Agent:
        async def respond(request):
            yield f"{name} has "
            self.reached.release()
            await asyncio.Event().wait()

        return Agent(id=name, model=FunctionModel(respond, id=name))

    def after(self, name: str, *, tokens: int = 0, failure: Exception | None = None) -> Agent:
        """A member that fails, or spends so many tokens and wants to go on."""

        async def respond(request):
            await self.reached.acquire()
            if failure is not None:
                raise failure
            return ModelResponse(tool_calls=[call("none")], metrics=Metrics(total_tokens=tokens))

        return Agent(id=name, model=FunctionModel(respond, id=name))


@asynccontextmanager
async def started(leading, db):
    """A run of the team on a server, and its service."""
    runs = RunService([leading], [db])
    request = RunRequest(input=RunInput(input_content="hi"), session_id="s", user_id="ann", stream=True)
    async with runs.running(grace=5), asyncio.timeout(30):
        yield runs, await runs.start(leading, request)


async def finals(db, run_id):
    """The final events of the log."""
    lines = await db.read_events(run_id, after=0, owner=ANYONE)
    events = [decode_event(line.text) for line in lines]
    assert events[-1].is_final
    return [(event.event, event.origin.id) for event in events if event.is_final]


@pytest.mark.parametrize("mode", ["coordinate", "route", "broadcast"])
async def test_cancelling_a_team_ends_each_run_once(db, mode):
    hanging = Hanging()
    names = ["alpha", "beta"]
    calls = give_all("go") if mode == "broadcast" else give(*((name, "go") for name in names))
    inner = team(calls, members=[hanging.member(name) for name in names], mode=mode, called="inner")
    outer = team(give(("inner", "I")), members=[inner], db=db)
    async with started(outer, db) as (runs, run):
        for _ in names:
            await hanging.reached.acquire()
        await runs.cancel(outer, run.run.run_id, session_id="s", owner="ann")
        await runs.finished(outer, run)
    found = {each.runnable_id: each for each in await rows(db)}
    assert {name: each.status for name, each in found.items()} == dict.fromkeys(
        ["team", "inner", "alpha", "beta"], RunStatus.CANCELLED
    )
    ended = await finals(db, run.run.run_id)
    assert Counter(ended) == {("RunCancelled", name): 1 for name in found}
    assert ended[-1] == ("RunCancelled", "team")
    assert [found[name].content for name in names] == ["alpha has ", "beta has "]
    assert (found["team"].content, found["inner"].content) == (None, None)


async def test_what_exceeds_the_budget_ends_the_whole_team(db):
    hanging = Hanging()
    members = [hanging.after("alpha", tokens=50), hanging.member("beta")]
    inner = team(give(("alpha", "A"), ("beta", "B")), members=members, called="inner", tokens=10)
    outer = team(give(("inner", "I")), members=[inner], db=db, budget=Budget(tokens=60), tokens=10)
    async with started(outer, db) as (runs, run):
        ended = await runs.finished(outer, run)
    assert (ended.status, ended.error_type) == (RunStatus.ERROR, "budget_exceeded")
    found = {each.runnable_id: each for each in await rows(db)}
    assert {name: (each.status, each.error_type) for name, each in found.items()} == {
        "team": (RunStatus.ERROR, "budget_exceeded"),
        "inner": (RunStatus.ERROR, "budget_exceeded"),
        "alpha": (RunStatus.ERROR, "budget_exceeded"),
        "beta": (RunStatus.CANCELLED, None),
    }
    assert found["beta"].content == "beta has "
    assert found["team"].metrics.total_tokens == 70


async def test_what_exceeds_the_budget_ends_a_broadcast(db):
    hanging = Hanging()
    members = [hanging.after("alpha", tokens=50), hanging.member("beta")]
    asking = team(give_all("go"), members=members, mode="broadcast", db=db, budget=Budget(tokens=50))
    async with started(asking, db) as (runs, run):
        ended = await runs.finished(asking, run)
    assert (ended.status, ended.error_type) == (RunStatus.ERROR, "budget_exceeded")
    statuses = {each.runnable_id: each.status for each in await rows(db)}
    assert statuses == {"team": "ERROR", "alpha": "ERROR", "beta": "CANCELLED"}
    assert (await row(db, "beta")).content == "beta has "


@pytest.mark.parametrize(("tokens", "ends"), [(50, RunStatus.ERROR), (500, RunStatus.PAUSED)])
async def test_what_exceeds_the_budget_ends_a_broadcast_that_waits_for_a_person(tokens, ends):
    @tool(requires_confirmation=True)
    def pay() -> str:
        return "paid"

    members = [
        member("alpha", [call("pay", {})], tools=[pay]),
        member("beta", [call("none", {})], "done", tokens=50),
    ]
    run = await team(give_all("go"), members=members, mode="broadcast", budget=Budget(tokens=tokens)).arun("")
    assert (run.status, run.children[0].status) == (ends, RunStatus.PAUSED)


async def test_seconds_end_a_team_with_what_its_members_said(db):
    hanging = Hanging()
    asking = team(give(("alpha", "A")), members=[hanging.member("alpha")], db=db, budget=Budget(seconds=0.3))
    async with started(asking, db) as (runs, run):
        ended = await runs.finished(asking, run)
    assert (ended.status, ended.error_type) == (RunStatus.ERROR, "budget_exceeded")
    answered = await row(db, "alpha")
    assert (answered.status, answered.content) == (RunStatus.CANCELLED, "alpha has ")


async def test_a_failing_routed_member_ends_its_siblings(db):
    hanging = Hanging()
    asking = team(
        give(("alpha", "A"), ("beta", "B")),
        members=[hanging.after("alpha", failure=ValueError("no")), hanging.member("beta")],
        mode="route",
        db=db,
    )
    async with started(asking, db) as (runs, run):
        ended = await runs.finished(asking, run)
    assert (ended.status, ended.error_type) == (RunStatus.ERROR, "internal_error")
    assert (await row(db, "beta")).status is RunStatus.CANCELLED


async def test_a_hundred_members_take_turns():
    inside, most, full = 0, 0, asyncio.Event()

    def crowded(name: str) -> Agent:
        async def respond(request):
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            if inside == MAX_CHILDREN:
                full.set()
            await full.wait()
            inside -= 1
            yield asked(request)

        return Agent(id=name, model=FunctionModel(respond))

    names = [f"m{number}" for number in range(100)]
    asking = team(give_all("go"), "done", members=[crowded(name) for name in names], mode="broadcast")
    async with asyncio.timeout(30):
        run = await asking.arun("hi")
    assert most == MAX_CHILDREN
    answers = labelled(run.tools[0].result)
    assert list(answers) == names
    assert {each["content"] for each in answers.values()} == {"go"}


async def test_leaving_a_stream_cancels_the_members(db):
    hanging = Hanging()
    asking = team(give(("alpha", "A")), members=[hanging.member("alpha")], db=db)
    stream = asking.arun("hi", session_id="s", stream=True, stream_events=True)
    async for event in stream:
        if isinstance(event, RunContent):
            break
    await stream.aclose()
    assert {each.status for each in await rows(db)} == {RunStatus.CANCELLED}


@pytest.mark.parametrize(
    ("members", "said", "left"),
    [(2, "x" * 60_000, 49_800), (2, '"' * 60_000, 24_900), (3, "short", 5)],
)
async def test_the_answers_of_a_broadcast_share_its_limit(members, said, left):
    many = [Agent(id=f"member-{number}", model=says(said)) for number in range(members)]
    run = await team(give_all("go"), "done", members=many, mode="broadcast").arun("hi")
    (result,) = results(run)
    assert len(result or "") < MAX_RESULT
    assert {key: len(each["content"]) for key, each in labelled(result).items()} == {
        each.id: left for each in many
    }
