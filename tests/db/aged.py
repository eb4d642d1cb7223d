"""Conversations that look old, and how many rows are left of them."""

from base64 import b64encode
from datetime import timedelta

from agentos.db.contracts.approvals import Approval
from agentos.db.contracts.events import LoggedEvent
from agentos.run.events import Origin, RunContent
from agentos.run.media import File
from agentos.run.records import RunStatus
from agentos.run.wire import encode_event
from tests.conftest import administering
from tests.db.made import a_run, accepted, finished

DAY = timedelta(days=1)
TABLES = {
    "sessions": "agentos_sessions",
    "runs": "agentos_runs",
    "events": "agentos_run_events",
    "approvals": "agentos_approvals",
    "memories": "agentos_memories",
    "state_changes": "agentos_state_changes",
    "media": "agentos_media",
    "workflows": "workflow_status",
}


async def a_conversation(db, name, *, user_id="alice", status=RunStatus.COMPLETED, **asked):
    """A session `name` with a run `name-run`, a file, a state, three lines of log and an approval."""
    run = a_run(name, user_id=user_id, run_id=f"{name}-run", status=RunStatus.RUNNING)
    run.input.files = [File(content=b64encode(b"bytes"), mime_type="text/plain")]
    await accepted(db, run, session_state={"of": user_id}, **asked)
    origin = Origin(kind=run.kind, id=run.runnable_id, run_id=run.run_id, session_id=name)
    events = [RunContent(content="word", origin=origin, seq=seq) for seq in (1, 2, 3)]
    lines = [LoggedEvent(event.seq, *encode_event(event)) for event in events]
    await db.append_events({run.run_id: lines}, owner=user_id)
    await db.create_approvals([Approval(id=name, run_id=run.run_id, tool_call_id="c")], owner=user_id)
    if status is not RunStatus.RUNNING:
        await finished(db, run, status=status)
    return run


def age(database, name, days, *, only="session run"):
    """Makes a conversation look as if nothing had happened in it for so long."""
    with administering(database) as connection:
        moment = f"now() - interval '{days} days'"
        if "session" in only:
            connection.execute(
                f"UPDATE ai.agentos_sessions SET created_at = {moment}, updated_at = {moment} "
                "WHERE session_id = %s",
                [name],
            )
        if "run" in only:
            connection.execute(
                f"UPDATE ai.agentos_runs SET updated_at = {moment} WHERE session_id = %s", [name]
            )


def left(database, schema="ai", **tables):
    """How many rows there are in each table."""
    with administering(database) as connection:
        return {
            name: connection.execute(f"SELECT count(*) FROM {schema}.{table}").fetchone()[0]
            for name, table in (tables or {name: TABLES[name] for name in list(TABLES)[:5]}).items()
        }
