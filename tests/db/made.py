"""Rows to store, with what a test doesn't care about filled in."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from agentos.db.base import RunRequest, StateChange
from agentos.run.messages import Message
from agentos.run.records import Memory, RunInput, RunOutput, RunStatus, Session

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

UNSTORABLE = {"NUL": "a\0b", "lone surrogate": "a\ud800b", "10 MB": "x" * 10_000_000}
"""Ids that no row can have."""


def a_session(session_id=None, *, user_id="alice", minutes=0, **fields) -> Session:
    moment = NOON + timedelta(minutes=minutes)
    return Session(
        session_id=session_id or uuid4().hex,
        user_id=user_id,
        **{"kind": "agent", "runnable_id": "web", "created_at": moment, "updated_at": moment} | fields,
    )


def a_memory(memory_id=None, *, user_id="alice", minutes=0, **fields) -> Memory:
    moment = NOON + timedelta(minutes=minutes)
    return Memory(
        memory_id=memory_id or uuid4().hex,
        user_id=user_id,
        **{"memory": "Likes tea", "created_at": moment, "updated_at": moment} | fields,
    )


def a_run(session_id="chat", *, user_id="alice", text="Hello", **fields) -> RunOutput:
    return RunOutput(
        session_id=session_id,
        user_id=user_id,
        input=RunInput(input_content=text),
        **{"run_id": uuid4().hex, "kind": "agent", "runnable_id": "web", "status": RunStatus.RUNNING}
        | fields,
    )


async def accepted(db, run, *, owner=None, **asked):
    return await db.accept_run(RunRequest(run=run, **asked), owner=owner or run.user_id)


async def finished(
    db, run, *, status=RunStatus.COMPLETED, put=None, removed=(), owner=None, **asked
) -> RunOutput:
    run.status = status
    run.messages = run.messages or [Message(role="user", content=run.input.input_content)]
    change = StateChange(put=put or {}, removed=removed)
    await db.finish_run(run, change, owner=owner or run.user_id, **asked)
    return run


async def a_finished_run(db, session_id="chat", **fields) -> RunOutput:
    run = a_run(session_id, **fields)
    await accepted(db, run)
    return await finished(db, run)
