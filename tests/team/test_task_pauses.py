"""Tasks whose members wait for a person, and teams that go on in another process."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.events import TaskIterationCompleted, TaskIterationStarted
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest, Source
from agentos.run.wire import decode_event
from agentos.runner.continuation import Continuation
from agentos.runner.service import RunService, Started
from agentos.team import Team
from agentos.tools import tool
from tests.agent.models import call
from tests.team.task_team import (
    Members,
    completed,
    created,
    executed,
    leader,
    of_team,
    played,
    statuses,
    team,
    together,
)


@asynccontextmanager
async def process(database: str, team: Team):
    """A server's process: with a connection of its own."""
    team.db = PostgresDb(database)
    runs = RunService([team], [team.db])
    try:
        async with runs.running(grace=0):
            yield runs
    finally:
        await team.db.close()


def ask(**fields):
    return RunRequest(input=RunInput(input_content="go"), user_id="ann", session_id="s", **fields)


async def ended(runs, team, started):
    async with asyncio.timeout(30):
        return await runs.finished(team, started)


async def story(db, run_id):
    lines = await db.read_events(run_id, after=0, owner=ANYONE)
    return [decode_event(line.text) for line in lines]


def decisions(run, *, confirmed=True):
    return [
        {"tool_call_id": each.id, "member_run_id": each.member_run_id, "confirmed": confirmed}
        for each in run.requirements
    ]


TASKS = [created("T1"), created("T2", assignee="payer"), created("T3", "task-2")]


@pytest.mark.parametrize("durable", [False, True])
async def test_a_task_that_waits_for_a_person_goes_on_in_another_process(db, database, durable) -> None:
    turns = [
        TASKS,
        "Later",
        [executed("task-1"), executed("task-2", "payer")],
        [executed("task-3")],
        [completed()],
    ]
    turns = [*turns, "final"]
    first, members = team(*turns, durable=durable), Members()
    async with process(database, first) as runs:
        paused = await ended(runs, first, await runs.start(first, ask()))
    assert paused.status is RunStatus.PAUSED
    events = await story(db, paused.run_id)
    assert statuses(events) == [
        ("task-1", "pending", "in_progress"),
        ("task-2", "pending", "in_progress"),
        ("task-1", "in_progress", "completed"),
    ]
    assert of_team(events)[-3:] == ["TaskUpdated", "ToolCallCompleted", "RunPaused"]
    second = team(*turns, durable=durable, members=members)
    async with process(database, second) as runs:
        going = await runs.proceed(second, paused, Continuation(answers=decisions(paused)), owner="ann")
        run = await ended(runs, second, going)
    assert (run.status, run.content, members.paid) == (RunStatus.COMPLETED, "final", [5])
    assert members.asked["alpha"] == 1
    events = await story(db, paused.run_id)
    assert [e.iteration for e in events if isinstance(e, TaskIterationStarted)] == [1, 2]
    assert [e.iteration for e in events if isinstance(e, TaskIterationCompleted)] == [1, 2]
    assert statuses(events)[3:] == [
        ("task-2", "in_progress", "completed"),
        ("task-3", "pending", "in_progress"),
        ("task-3", "in_progress", "completed"),
    ]
    calls = Counter(event.tool.tool_call_id for event in events if event.event == "ToolCallStarted")
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("confirmed", [True, False])
async def test_of_tasks_done_at_once_one_may_wait_while_others_end(db, database, confirmed) -> None:
    turns = [TASKS, [together("task-1", "task-2")], [executed("task-3")], "final"]
    members = Members()
    first = team(*turns, members=members)
    async with process(database, first) as runs:
        paused = await ended(runs, first, await runs.start(first, ask()))
        nested = await db.list_runs("s", owner=ANYONE, nested=True)
        assert {each.runnable_id: each.status.value for each in nested} == {
            "t-tasks": "PAUSED", "alpha": "COMPLETED", "payer": "PAUSED",
        }  # fmt: skip
    assert statuses(await story(db, paused.run_id)) == [
        ("task-1", "pending", "in_progress"),
        ("task-2", "pending", "in_progress"),
    ]
    second = team(*turns, members=members)
    async with process(database, second) as runs:
        answer = Continuation(answers=decisions(paused, confirmed=confirmed))
        run = await ended(runs, second, await runs.proceed(second, paused, answer, owner="ann"))
    assert (run.status, run.content) == (RunStatus.COMPLETED, "final")
    assert members.paid == ([5] if confirmed else [])
    assert members.asked == {"alpha": 2, "payer": 1}
    assert statuses(await story(db, paused.run_id))[2:4] == [
        ("task-1", "in_progress", "completed"),
        ("task-2", "in_progress", "completed"),
    ]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_an_iteration_begins_once_whatever_the_leader_waited_for(db, elsewhere) -> None:
    @tool(requires_confirmation=not elsewhere, external_execution=elsewhere)
    def look() -> str:
        """Looks."""
        return "seen"

    turns = [[call("look"), created("T1")], [executed("task-1")], "final"]
    paused, before = await played(team(*turns, db=db, tools=[look]))
    assert paused.status is RunStatus.PAUSED
    (wanted,) = paused.requirements
    if elsewhere:
        wanted.set_external_execution_result("seen")
    else:
        wanted.confirm()
    going = team(*turns, db=db, tools=[look]).acontinue_run(paused, stream=True, stream_events=True)
    after = [event async for event in going]
    assert (after[-1].event, after[-1].content) == ("RunCompleted", "final")
    assert [name for name in of_team([*before, *after]) if name.startswith("TaskIter")] == [
        "TaskIterationStarted",
        "TaskIterationCompleted",
    ]


async def test_a_fork_of_a_run_that_was_cut_begins_an_iteration_and_a_list(db, database) -> None:
    turns = [[created("T1")], [executed("task-1")], "final"]
    run, _ = await played(team(*turns, db=db))
    first = next(place for place, message in enumerate(run.messages) if message.tool_calls)
    forking = team(*turns)
    source = Source(run_id=run.run_id, messages=run.messages[: first + 1])
    async with process(database, forking) as runs:
        forked = await ended(runs, forking, await runs.start(forking, ask(source=source)))
    assert (forked.status, forked.content) == (RunStatus.COMPLETED, "final")
    events = await story(db, forked.run_id)
    assert [name for name in of_team(events) if name.startswith("Task")] == [
        "TaskIterationStarted", "TaskCreated", "TaskUpdated", "TaskUpdated", "TaskStateUpdated",
        "TaskIterationCompleted",
    ]  # fmt: skip


class Slow:
    """A member that hangs until its process ends; in another process it answers."""

    def __init__(self, *, hangs: bool) -> None:
        self.reached = asyncio.Event()
        self.hangs = hangs

    async def __call__(self, request: ModelRequest) -> ModelResponse:
        self.reached.set()
        if self.hangs:
            await asyncio.Event().wait()
        return ModelResponse(content=f"slow says: {request.messages[-1].content}")


def slow_team(slow: Slow, members: Members) -> Team:
    turns = [
        [created("T1"), created("T2", "task-1", call_id="d")],
        "Later",
        [executed("task-1")],
        [executed("task-2", "slow")],
        [completed()],
        "final",
    ]
    listed = [*members.all(), Agent(name="slow", model=FunctionModel(slow, id="slow"))]
    return Team(name="t-tasks", mode="tasks", members=listed, model=leader(*turns), durable=True)


async def test_a_durable_team_resumes_in_another_process_without_saying_anything_twice(db, database) -> None:
    slow, members = Slow(hangs=True), Members()
    first = slow_team(slow, members)
    async with process(database, first) as runs:
        started = await runs.start(first, ask())
        await slow.reached.wait()
    second = slow_team(Slow(hangs=False), members)
    async with process(database, second) as runs:
        left = await runs.find(second, started.run.run_id, session_id="s", owner="ann")
        found = await ended(runs, second, Started(left, runs.source_of(second, left)))
    assert (found.status, found.content) == (RunStatus.COMPLETED, "final")
    assert members.asked == {"alpha": 1}
    undisturbed = slow_team(Slow(hangs=False), Members())
    async with process(database, undisturbed) as runs:
        whole = await ended(runs, undisturbed, await runs.start(undisturbed, ask()))
    told, expected = await story(db, found.run_id), await story(db, whole.run_id)
    assert Counter(statuses(told)) == Counter(statuses(expected))
    assert Counter(of_team(told)) == Counter(of_team(expected))
