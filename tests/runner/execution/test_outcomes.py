"""Outcomes that the database never takes are failures of their runs, and of no others."""

import asyncio

import pytest
from psycopg import errors as postgres
from sqlalchemy.exc import InternalError, OperationalError

from agentos.db import encoding
from agentos.db.connection.errors import is_away
from agentos.db.postgres import PostgresDb
from agentos.models.base import ModelDelta, ModelResponse
from agentos.run.budget import Budget
from agentos.run.events import RunContent
from agentos.run.messages import FunctionCall, Message, ToolCall
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.runner.service import RunService
from agentos.runner.settings import RunSettings
from tests.runner.script import Script, turn

SMALL = 10_000


@pytest.fixture
async def small(database, monkeypatch):
    """A database that takes little."""
    monkeypatch.setattr(encoding, "MAX_JSON", SMALL)
    db = PostgresDb(database, max_state_bytes=1000)
    await db.start()
    yield db
    await db.close()


def ask(session_id="s", **fields):
    return RunRequest(input=RunInput(input_content="hi"), session_id=session_id, anyone=True, **fields)


async def ended(db, play, *, durable=False, request=None):
    """The run as its caller sees it, and as it is stored."""
    script = Script(play, RunSettings(db=db, durable=durable))
    service = RunService([script], [db])
    async with service.running(grace=5):
        run = await service.finished(script, await service.start(script, request or ask()))
    return run, await db.get_run(run.run_id, owner=ANYONE)


async def keeping(context):
    context.session_state["small"] = context.session_state.get("small", 0) + 1
    context.run.content = await turn(context, "model-1", "done")
    yield RunContent(content="done")


async def hoarding(context):
    context.run.content = await turn(context, "model-1", "done")
    context.session_state["big"] = "x" * 1000
    yield RunContent(content="done")


async def hoarding_in_a_step(context):
    async def step():
        context.session_state["big"] = "x" * 1000
        yield "done"

    async for _ in context.steps("one", step):
        yield RunContent(content="done")


async def talking(context):
    """What it says is fine piece by piece, and more than fits into one row."""
    context.run.messages.append(Message(role="assistant", content="x" * SMALL))
    yield RunContent(content="so far")
    context.session_state["small"] = 100


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("play", [hoarding, hoarding_in_a_step])
async def test_a_state_that_is_too_large_fails_the_run_and_stays_as_it_was(small, play, durable):
    await ended(small, keeping, durable=durable)
    shown, stored = await ended(small, play, durable=durable)
    for run in (shown, stored):
        assert (run.status, run.error_type) == (RunStatus.ERROR, "state_too_large")
        assert run.content.startswith("The session's state may have 1000 bytes of JSON and 5000 keys")
    session = await small.get_session("s", owner=ANYONE)
    assert session.session_state == {"small": 1}
    assert (await ended(small, keeping, durable=durable))[1].status is RunStatus.COMPLETED


async def test_a_state_from_before_the_limit_may_shrink(small, database):
    generous = PostgresDb(database)
    await ended(generous, hoarding)
    await generous.close()

    async def tidying(context):
        context.session_state["big"] = "x" * 999
        yield RunContent(content="done")

    async def growing(context):
        context.session_state["more"] = "x"
        yield RunContent(content="done")

    assert (await ended(small, keeping))[1].error_type == "state_too_large"
    assert (await ended(small, growing))[1].error_type == "state_too_large"
    assert (await ended(small, tidying))[1].status is RunStatus.COMPLETED


@pytest.mark.parametrize("durable", [False, True])
async def test_an_outcome_that_cant_be_stored_is_the_runs_failure(small, durable):
    shown, stored = await ended(small, talking, durable=durable)
    for run in (shown, stored):
        assert (run.status, run.error_type) == (RunStatus.ERROR, "payload_too_large")
        assert run.messages == []
    assert (await small.get_session("s", owner=ANYONE)).session_state == {}
    lines = await small.read_events(stored.run_id, after=0, owner=ANYONE)
    assert lines[-1].name == "RunError"


async def test_an_event_that_cant_be_logged_fails_no_other_run(small):
    met = asyncio.Barrier(2)

    def saying(word):
        async def play(context):
            await met.wait()
            yield RunContent(content=word)
            await met.wait()
            yield RunContent(content="more")
            context.run.content = "done"

        return Script(play, RunSettings(db=small), id=word[:5])

    good, bad = saying("hello"), saying("x" * SMALL)
    service = RunService([good, bad], [small])
    async with service.running(grace=5):
        started = [await service.start(each, ask(each.id, stream=True)) for each in (good, bad)]
        runs = [await service.finished(each, run) for each, run in zip((good, bad), started, strict=True)]
    assert [run.status for run in runs] == [RunStatus.COMPLETED, RunStatus.ERROR]
    stored = [await small.get_run(run.run_id, owner=ANYONE) for run in runs]
    assert [run.error_type for run in stored] == [None, "payload_too_large"]


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (OperationalError("", {}, postgres.ProgramLimitExceeded()), False),
        (OperationalError("", {}, postgres.StatementTooComplex()), False),
        (OperationalError("", {}, postgres.AdminShutdown()), True),
        (OperationalError("", {}, postgres.TooManyConnections()), True),
        (OperationalError("", {}, postgres.DeadlockDetected()), True),
        (OperationalError("", {}, postgres.QueryCanceled()), True),
        (OperationalError("", {}, postgres.LockNotAvailable()), True),
        (OperationalError("", {}, postgres.OperationalError("connection refused")), True),
        (InternalError("", {}, postgres.ReadOnlySqlTransaction()), True),
        (InternalError("", {}, postgres.InternalError_()), False),
        (TimeoutError(), True),
        (ValueError(), False),
    ],
    ids=lambda value: type(getattr(value, "orig", value)).__name__,
)
def test_what_passes_is_told_from_what_never_works(error, away):
    assert is_away(error) is away


def call(size):
    function = FunctionCall(name="f", arguments="x" * size)
    return ToolCall(id="1", function=function)


@pytest.mark.parametrize(
    "pieces",
    [
        [ModelDelta("x" * 60), ModelDelta("x" * 60), ModelResponse(content="x" * 120)],
        [ModelResponse(content="x" * 101)],
        [ModelResponse(tool_calls=[call(101)])],
    ],
    ids=["in pieces", "whole", "arguments"],
)
async def test_a_model_that_says_too_much_fails_the_run(db, pieces):
    async def play(context):
        async def speak():
            for piece in pieces:
                yield piece

        async for _ in context.steps("model-1", speak):
            yield RunContent(content="x")

    script = Script(play, RunSettings(db=db, budget=Budget(output_bytes=100)))
    service = RunService([script], [db])
    async with service.running(grace=5):
        run = await service.finished(script, await service.start(script, ask()))
    assert (run.status, run.error_type) == (RunStatus.ERROR, "budget_exceeded")
    assert all(getattr(Budget(), name) for name in ("tokens", "seconds", "output_bytes"))
