"""Rows to store, with what a test doesn't care about filled in."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from agentos.db.contracts.runs import OpenedRun, Placement, RunReads, StateChange
from agentos.run.messages import Message
from agentos.run.records import Memory, RunInput, RunOutput, RunStatus, Session
from agentos.run.request import RunRequest, Source

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

UNSTORABLE = {"NUL": "a\0b", "lone surrogate": "a\ud800b", "10 MB": "x" * 10_000_000}
"""Ids that no row can have."""
WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND datname = current_database()
"""
"""How many statements of this database wait for a lock. Tests of other workers use the same server."""


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


READS = {"session_defaults", "history_runs", "memories"}
PLACEMENT = {"worker_id", "durable", "multitask", "queue_limit", "user_queue_limit"}


async def accepted(db, run, *, owner=None, **asked) -> OpenedRun:
    """Accepts `run`; `asked` are fields of its request, of what it reads and of its placement."""
    wanted = {name: asked.pop(name) for name in READS & asked.keys()}
    placed = {name: asked.pop(name) for name in PLACEMENT & asked.keys()}
    before = asked.pop("history_before", None)
    source = None if before is None else Source(run_id=before, messages=[])
    request = RunRequest(input=run.input, user_id=run.user_id, anyone=True, source=source, **asked)
    if run.parent_run_id is not None:
        worker_id, durable = placed.get("worker_id"), placed.get("durable", False)
        owner = owner or run.user_id
        return await db.open_child(run, request, owner=owner, worker_id=worker_id, durable=durable)
    return await db.accept_run(
        run,
        request,
        owner=owner or run.user_id,
        reads=RunReads(**wanted),
        placement=Placement(**placed),
    )


async def finished(
    db, run, *, status=RunStatus.COMPLETED, put=None, removed=(), merged=None, owner=None, **asked
) -> RunOutput:
    run.status = status
    run.messages = run.messages or [Message(role="user", content=run.input.input_content)]
    change = StateChange(put or {}, removed, merged or {})
    await db.finish_run(run, change, owner=owner or run.user_id, **asked)
    return run


async def a_finished_run(db, session_id="chat", *, owner=None, **fields) -> RunOutput:
    run = a_run(session_id, **fields)
    await accepted(db, run, owner=owner)
    return await finished(db, run, owner=owner)
