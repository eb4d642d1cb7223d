"""What a database of an earlier release holds is there after the upgrade, and goes on."""

import json

import pytest
from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import IntegrityError

from agentos.db.contracts.events import LoggedEvent
from agentos.db.postgres import PostgresDb
from agentos.db.schema import row_security
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.upgrade import migrations_folder
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.db.made import a_run, accepted, finished

SESSION = """
INSERT INTO old.sessions (session_id, kind, runnable_id, user_id) VALUES ('chat', 'agent', 'web', 'alice')
"""
RUN = """
INSERT INTO old.runs (
    run_id, session_id, kind, runnable_id, user_id, status, created_at, messages, details
) VALUES (:status, 'chat', 'agent', 'web', 'alice', :status, 1, :messages, '{}')
"""
NAMES = TableNames("old", "sessions", "runs", "events", "memories")
TABLES = {
    "db_schema": "old",
    "session_table": "sessions",
    "runs_table": "runs",
    "event_table": "events",
    "memory_table": "memories",
}
STATUSES = ["RUNNING", "COMPLETED"]


@pytest.fixture
def old_database(empty_database):
    """One at the revision before runs had executors, under other names, with rows."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with create_engine(empty_database, poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE SCHEMA old"))
        row_security.lift(connection)
        config.attributes.update(connection=connection, names=NAMES, version_table=NAMES.former_version_table)
        upgrade(config, "0004")
        connection.execute(text(SESSION))
        messages = json.dumps([{"role": "user", "content": "Before"}])
        for status in STATUSES:
            connection.execute(text(RUN), {"status": status, "messages": messages})
        connection.execute(text("INSERT INTO old.events VALUES ('RUNNING', 1, 'e', '{}')"))
    return empty_database


async def test_runs_of_the_earlier_release_are_kept_and_go_on(old_database):
    db = PostgresDb(old_database, **TABLES)
    assert db.schema.status().current == "0004"
    await db.start()
    assert db.schema.status().is_current
    runs = {run.run_id: run for run in await db.list_runs("chat", owner="alice")}
    assert list(runs) == STATUSES
    assert await db.append_events({"RUNNING": [LoggedEvent(2, "e", "{}")]}, owner="alice") == {"RUNNING"}
    assert len(await db.read_events("RUNNING", after=0, owner="alice")) == 2
    assert await db.adopt_runs("x", dead_after=0, runnables=[], held=[]) == []
    new = a_run()
    got = await accepted(db, new, multitask="enqueue", worker_id="x", history_runs=5)
    assert got.run.status is RunStatus.PENDING
    assert [message.content for message in got.history] == ["Before"]
    await finished(db, runs["RUNNING"], replaces="COMPLETED")
    assert (await db.get_run("COMPLETED", owner=ANYONE)).status is RunStatus.REGENERATED
    await db.close()


async def test_upgraded_runs_have_no_other_status_than_before_or_the_new_one(old_database):
    PostgresDb(old_database, **TABLES).schema.upgrade()
    with create_engine(old_database, poolclass=NullPool).begin() as connection:
        row_security.lift(connection)
        connection.execute(text("UPDATE old.runs SET status = 'REGENERATED' WHERE run_id = 'COMPLETED'"))
        with pytest.raises(IntegrityError):
            connection.execute(text("UPDATE old.runs SET status = 'ODD'"))
