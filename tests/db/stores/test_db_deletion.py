"""What is old goes in time, a user's things go at once, and nothing else does."""

import asyncio
from datetime import timedelta
from hashlib import sha256

import pytest

from agentos.db.contracts.deletion import Pruned
from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.sessions import SessionQuery
from agentos.db.postgres import PostgresDb
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import Tables
from agentos.db.stores import deletion
from agentos.errors import AgentOSError, InvalidInputError, RunLostError
from agentos.run.records import RunStatus
from tests.conftest import administering
from tests.db.aged import DAY, TABLES, a_conversation, age, left
from tests.db.made import UNSTORABLE, WAITING, a_memory, a_run, accepted, finished


async def test_old_sessions_go_with_all_that_is_in_them(db, database):
    for name, days in (("old", 31), ("older", 300), ("young", 29)):
        await a_conversation(db, name)
        age(database, name, days)
    await db.create_memory(a_memory(), owner="alice")
    gone = Pruned(sessions=2, runs=2, events=6, approvals=2)
    assert await db.prune(older_than=30 * DAY, dry_run=True) == gone
    assert left(database) == {"sessions": 3, "runs": 3, "events": 9, "approvals": 3, "memories": 1}
    assert await db.prune(older_than=30 * DAY) == gone
    assert left(database) == {"sessions": 1, "runs": 1, "events": 3, "approvals": 1, "memories": 1}
    assert await db.get_run("young-run", owner="alice") is not None
    assert await db.prune(older_than=30 * DAY) == Pruned()


@pytest.mark.parametrize("status", RunStatus)
async def test_a_session_with_a_run_that_goes_on_stays(db, database, status):
    await a_conversation(db, "chat")
    age(database, "chat", 100)
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_runs SET status = %s", [status])
    ages = {"older_than": DAY, "events_older_than": DAY}
    for dry_run in (True, False):
        gone = await db.prune(**ages, dry_run=dry_run)
        assert (gone.sessions, gone.events) == ((1, 3) if status.is_final else (0, 0))


async def test_a_session_that_was_created_long_ago_and_changed_lately_stays(db, database):
    await a_conversation(db, "chat")
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_sessions SET created_at = now() - interval '1 year'")
    assert await db.prune(older_than=DAY) == Pruned()


async def test_logs_go_before_the_runs_that_they_are_of(db, database):
    await a_conversation(db, "ended")
    await a_conversation(db, "lately")
    await a_conversation(db, "live", status=RunStatus.RUNNING)
    await a_conversation(db, "paused", status=RunStatus.PAUSED)
    for name in ("ended", "live", "paused"):
        age(database, name, 1, only="run")
    for dry_run in (True, False):
        gone = await db.prune(events_older_than=timedelta(hours=6), dry_run=dry_run)
        assert gone == Pruned(events=3)
    assert await db.read_events("ended-run", after=0, owner="alice") == []
    for name in ("lately", "live", "paused"):
        assert len(await db.read_events(f"{name}-run", after=0, owner="alice")) == 3
    assert (await db.get_run("ended-run", owner="alice")).messages
    assert left(database)["sessions"] == 4


async def test_a_dry_run_counts_each_row_once(db, database):
    for name, days in (("old", 31), ("young", 3)):
        await a_conversation(db, name)
        age(database, name, days)
    ages = {"older_than": 30 * DAY, "events_older_than": DAY}
    foretold = await db.prune(**ages, dry_run=True)
    assert foretold == Pruned(sessions=1, runs=1, events=6, approvals=1)
    assert await db.prune(**ages) == foretold


async def test_more_than_a_batch_goes_too_whoever_else_prunes(db, database, monkeypatch):
    monkeypatch.setattr(deletion, "BATCH", 2)
    for number in range(7):
        await a_conversation(db, f"s{number}")
        age(database, f"s{number}", 3 if number else 0)
    ages = {"older_than": 2 * DAY, "events_older_than": DAY}
    assert await db.prune(**ages, dry_run=True) == Pruned(sessions=6, runs=6, events=18, approvals=6)
    other = PostgresDb(database)
    results = await asyncio.gather(db.prune(**ages), other.prune(**ages))
    await other.close()
    assert results[0] + results[1] == Pruned(sessions=6, runs=6, events=18, approvals=6)
    assert left(database)["sessions"] == 1


async def test_what_somebody_else_holds_is_left_for_the_next_time(db, database):
    for name in ("held", "free"):
        await a_conversation(db, name)
        age(database, name, 3)
    with administering(database) as connection, connection.transaction():
        connection.execute("SELECT FROM ai.agentos_sessions WHERE session_id = 'held' FOR UPDATE")
        assert (await db.prune(older_than=DAY)).sessions == 1
    assert (await db.prune(older_than=DAY)).sessions == 1


async def test_an_age_must_be_said_and_make_sense(db):
    for ages in ({}, {"older_than": -DAY}, {"older_than": DAY, "events_older_than": -DAY}):
        with pytest.raises(InvalidInputError):
            await db.prune(**ages)


async def test_everything_of_a_user_goes_and_nothing_of_anothers(db, database):
    for user in ("alice", "bob"):
        for number in (1, 2):
            await a_conversation(db, f"{user}{number}", user_id=user)
        await db.create_memory(a_memory(user_id=user), owner=user)
    await a_conversation(db, "paused", status=RunStatus.PAUSED)
    receipt = await db.delete_user("alice")
    assert receipt.counts == {
        "events": 9,
        "approvals": 3,
        "media": 3,
        "state_changes": 3,
        "runs": 3,
        "sessions": 3,
        "memories": 1,
        "workflows": 0,
    }
    assert receipt.user_hash == sha256(b"alice").hexdigest()
    assert "alice" not in repr(receipt)
    assert left(database) == {"sessions": 2, "runs": 2, "events": 6, "approvals": 2, "memories": 1}
    others = {name: TABLES[name] for name in ("media", "state_changes")}
    assert left(database, **others) == {"media": 2, "state_changes": 2}
    assert (await db.list_sessions(SessionQuery(), owner="bob")).total == 2
    again = await db.delete_user("alice")
    assert set(again.counts.values()) == {0}
    assert again.receipt_id != receipt.receipt_id


async def test_a_users_runs_in_another_users_session_go_too(db, database):
    await a_conversation(db, "chat", user_id="bob")
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_runs SET user_id = 'alice'")
    assert (await db.delete_user("alice")).counts["runs"] == 1
    assert left(database)["sessions"] == 1


async def test_every_table_whose_rows_have_an_owner_is_counted(db):
    owned = {table.name for table in Tables(TableNames()).owned}
    assert {TABLES[name] for name in (await db.delete_user("alice")).counts} == owned | {"workflow_status"}


@pytest.mark.parametrize("status", RunStatus)
async def test_a_users_runs_go_wherever_they_stand(db, database, status):
    await a_conversation(db, "done")
    await a_conversation(db, "bobs", user_id="bob", status=RunStatus.RUNNING)
    await a_conversation(db, "chat", status=RunStatus.RUNNING)
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_runs SET status = %s WHERE session_id = 'chat'", [status])
    assert (await db.delete_user("alice", patience=timedelta(0))).counts["runs"] == 2
    assert (await db.get_run("bobs-run", owner="bob")).status is RunStatus.RUNNING


async def test_what_a_deleted_run_still_does_is_not_stored(db, database):
    run = await a_conversation(db, "chat", status=RunStatus.RUNNING)
    await db.delete_user("alice", patience=timedelta(0))
    with pytest.raises(AgentOSError):
        await finished(db, run)
    assert await db.append_events({run.run_id: [LoggedEvent(9, "RunContent", "{}")]}, owner="alice") == set()
    with pytest.raises(RunLostError):
        await accepted(db, a_run("chat", parent_run_id=run.run_id))
    assert left(database) == dict.fromkeys(left(database), 0)


async def test_a_deletion_waits_for_the_runs_that_it_has_cancelled(db, database):
    run = await a_conversation(db, "chat", status=RunStatus.RUNNING)
    deleting = asyncio.create_task(db.delete_user("alice", patience=timedelta(minutes=1)))
    with administering(database) as connection:
        asked = "SELECT count(*) FROM ai.agentos_runs WHERE cancelling = 'cancel'"
        while connection.execute(asked).fetchone() == (0,):
            await asyncio.sleep(0)
    assert not deleting.done()
    assert await db.get_run(run.run_id, owner="alice") is not None
    await finished(db, run, status=RunStatus.CANCELLED)
    assert (await deleting).counts["runs"] == 1


async def test_a_user_that_cannot_be_is_refused(db):
    for bad in (*UNSTORABLE.values(), ""):
        with pytest.raises(InvalidInputError):
            await db.delete_user(bad)


async def test_a_nested_run_that_was_written_too_late_holds_nothing_up(db, database):
    """Its statement waits in the database while its process gives up, and the root ends."""
    root = await a_conversation(db, "chat", status=RunStatus.RUNNING)
    late = a_run("chat", run_id="late", parent_run_id=root.run_id)
    with administering(database) as other:
        other.execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END'"
        )
        other.execute(
            "CREATE TRIGGER late BEFORE INSERT ON ai.agentos_runs FOR EACH ROW EXECUTE FUNCTION wait()"
        )
        with other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(1)")
            begun = asyncio.create_task(accepted(db, late))
            while other.execute(WAITING).fetchone() == (0,):
                await asyncio.sleep(0)
            await finished(db, root)
        await begun
    assert (await db.get_run("late", owner="alice")).status is RunStatus.RUNNING
    age(database, "chat", 2)
    assert (await db.prune(older_than=DAY, dry_run=True)).runs == 2
    assert (await db.delete_user("alice")).counts["runs"] == 2


async def test_a_nested_run_is_as_live_as_its_root(db, database):
    root = await a_conversation(db, "chat", status=RunStatus.RUNNING)
    await accepted(db, a_run("chat", parent_run_id=root.run_id))
    age(database, "chat", 2)
    assert (await db.prune(older_than=DAY)).runs == 0
    assert (await db.delete_user("alice", patience=timedelta(0))).counts["runs"] == 2
