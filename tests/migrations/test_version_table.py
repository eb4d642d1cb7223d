"""Where each set of tables keeps its revision, and how a set of an earlier release gets there."""

import json
import subprocess
import sys

import psycopg
import pytest

from agentos.db.postgres import PostgresDb
from agentos.db.schema.table_names import MAX_NAME, TableNames
from agentos.db.schema.upgrade import lock_key
from agentos.errors import ConfigurationError
from tests.conftest import administering

CUSTOM = {"session_table": "my chats", "runs_table": "my runs", "event_table": "my events"}
FORMER = TableNames(sessions="my chats", runs="my runs", events="my events").former_version_table
PRESENT = "my chats_version"
SHARING = {"session_table": "my chats", "memory_table": "m"}
"""Names of a set that shares its sessions with the custom one."""


@pytest.mark.parametrize(
    ("names", "present", "former"),
    [
        (TableNames(), "agentos_schema_version", "agentos_schema_version"),
        (TableNames(schema="other"), "agentos_schema_version", "agentos_schema_version"),
        (TableNames(sessions="chats"), "chats_version", "agentos_schema_version_c6f551f9"),
        (TableNames(runs="x"), "agentos_sessions_version", "agentos_schema_version_49380dd5"),
        (
            TableNames(schema="other", runs="x"),
            "agentos_sessions_version",
            "agentos_schema_version_49380dd5",
        ),
    ],
)
def test_the_version_table_is_named_after_the_sessions(names, present, former):
    assert (names.version_table, names.former_version_table) == (present, former)


@pytest.mark.parametrize(
    "names",
    [
        {"sessions": "agentos_schema"},
        {"runs": "agentos_schema_version"},
        {"sessions": "chats", "audit": "chats_version"},
    ],
)
def test_no_table_may_have_the_version_tables_name(names):
    with pytest.raises(ConfigurationError, match="revision"):
        TableNames(**names)
    assert TableNames(**{field: f"{name}s" for field, name in names.items()})


def kinds(url: str) -> dict[str, str]:
    """What the relations are that can hold a revision: tables (r) or views (v)."""
    query = """
        SELECT relname, relkind::text FROM pg_class
        WHERE relnamespace = 'ai'::regnamespace AND relname ~ '_version' AND relkind IN ('r', 'v')
    """
    with administering(url) as connection:
        return dict(connection.execute(query).fetchall())


def written_before(url: str, tables: dict[str, str], former: str) -> None:
    """Makes the set look as an earlier release left it."""
    PostgresDb(url, **tables).schema.upgrade()
    with administering(url) as connection:
        connection.execute(f'ALTER TABLE ai."{PRESENT}" RENAME TO "{former}"')
        connection.execute(f'ALTER INDEX ai."{PRESENT}_pkc" RENAME TO "{former}_pkc"')


@pytest.fixture
def former_database(empty_database) -> str:
    written_before(empty_database, CUSTOM, FORMER)
    PostgresDb(empty_database).schema.upgrade()
    return empty_database


def test_processes_that_start_together_rename_the_table_once(former_database):
    assert PostgresDb(former_database, **CUSTOM).schema.status().version_table == FORMER
    code = (
        "import asyncio, json, sys; from agentos.db.postgres import PostgresDb;"
        "asyncio.run(PostgresDb(sys.argv[1], **json.loads(sys.argv[2])).start())"
    )
    command = [sys.executable, "-c", code, former_database, json.dumps(CUSTOM)]
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with administering(former_database) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key("ai")])
        processes = [subprocess.Popen(command) for _ in range(3)]
        while connection.execute(waiting).fetchone() < (3,):
            assert [process.poll() for process in processes] == [None] * 3
    assert [process.wait(60) for process in processes] == [0] * 3
    assert kinds(former_database) == {"agentos_schema_version": "r", PRESENT: "r", FORMER: "v"}
    status = PostgresDb(former_database, **CUSTOM).schema.status()
    assert (status.version_table, status.is_current) == (PRESENT, True)


async def test_a_start_that_may_not_create_reads_the_former_name(former_database):
    await PostgresDb(former_database, **CUSTOM, create_schema=False).start()
    assert FORMER in kinds(former_database)
    assert PRESENT not in kinds(former_database)


async def test_a_process_of_the_earlier_release_finds_the_revision_where_it_was(former_database):
    db = PostgresDb(former_database, **CUSTOM)
    await db.start()
    role = f"reader_{former_database.rpartition('_')[2]}"
    with administering(former_database) as connection:
        connection.execute(f"CREATE ROLE {role}")
        connection.execute(f"GRANT {role} TO CURRENT_USER")
        connection.execute(f"GRANT USAGE ON SCHEMA ai TO {role}")
    query = f"SELECT version_num FROM ai.{FORMER}"
    with psycopg.connect(former_database.replace("+psycopg", "")) as connection:
        connection.execute(f"SET ROLE {role}")
        assert connection.execute(query).fetchone() == (db.schema.status().head,)
    with administering(former_database) as connection:
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")


async def test_sets_that_share_their_sessions_keep_their_revisions_apart(empty_database):
    sharing = TableNames(sessions="my chats", memories="m").former_version_table
    one, two = PostgresDb(empty_database, **CUSTOM), PostgresDb(empty_database, **SHARING)
    for db in (one, two, one, two):
        db.schema.upgrade()
    assert kinds(empty_database) == {PRESENT: "r", sharing: "r"}
    assert (one.schema.status().version_table, two.schema.status().version_table) == (PRESENT, sharing)
    assert one.schema.status().is_current
    assert two.schema.status().is_current


async def test_sets_of_an_earlier_release_that_share_their_sessions_are_both_found(empty_database):
    written_before(empty_database, CUSTOM, FORMER)
    sharing = TableNames(sessions="my chats", memories="m").former_version_table
    written_before(empty_database, SHARING, sharing)
    assert kinds(empty_database) == {FORMER: "r", sharing: "r"}
    for tables in (SHARING, CUSTOM, SHARING):
        await PostgresDb(empty_database, **tables).start()
    assert kinds(empty_database) == {PRESENT: "r", sharing: "v", FORMER: "r"}
    assert PostgresDb(empty_database, **CUSTOM).schema.status().is_current


async def test_the_longest_name_has_room(empty_database):
    sessions = "s" * MAX_NAME
    status = PostgresDb(empty_database, session_table=sessions).schema.upgrade()
    assert (status.is_current, status.version_table) == (True, f"{sessions}_version")
