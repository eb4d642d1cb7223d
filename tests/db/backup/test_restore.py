"""`agentos db restore` makes the database that was dumped, or leaves everything as it was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentos.db.postgres import PostgresDb
from tests.cli.commands import Called, agentos
from tests.conftest import administering
from tests.db.backup.conftest import converse, counted, superuser
from tests.db.made import a_run, accepted
from tests.migrations.shop import SETS
from tests.migrations.test_migrations import catalog
from tests.migrations.test_releases import RELEASES

SECURITY = """
SELECT relname, relowner::regrole::text, relrowsecurity, relforcerowsecurity, relacl::text, NULL, NULL
FROM pg_class WHERE relnamespace = 'ai'::regnamespace AND relkind IN ('r', 'S')
UNION ALL
SELECT tablename, policyname, permissive = 'PERMISSIVE', NULL, roles::text, qual, with_check FROM pg_policies
ORDER BY 1, 2
"""


ADDED = {"state_change_table": "agentos_state_changes", "media_table": "agentos_media"}
"""Tables that earlier releases don't have."""


@pytest.fixture
def archive(tmp_path) -> Path:
    return tmp_path / "backup.dump"


def dump(url: str, archive: Path, *options: str) -> None:
    called = agentos("db", "dump", archive, "--url", url, *options)
    assert called.status == 0, called


def restore(url: str, archive: Path, *options: str) -> Called:
    return agentos("db", "restore", archive, *options, env={"DATABASE_URL": url})


def shape(url: str) -> list[tuple]:
    """Columns, constraints and indexes; owners, grants and policies."""
    with administering(url) as connection:
        security = connection.execute(SECURITY).fetchall()
    return catalog(url.replace("postgresql://", "postgresql+psycopg://"), "ai") + security


@pytest.mark.parametrize("whose", ["place", "bound"])
def test_every_row_comes_back_into_the_tables_of_a_new_database(whose, request, archive):
    place = request.getfixturevalue(whose)
    dump(place.source, archive)
    restored = restore(place.target, archive)
    assert re.search(r"Restored. The tables are at revision \d{4}\.\n\Z", restored.output), restored
    assert counted(place.target) == counted(place.source)
    assert counted(place.target)["ai.agentos_run_events"] == 6
    assert shape(place.target) == shape(place.source)
    assert agentos("db", "status", "--url", place.target).status == 0


async def test_rows_are_seen_by_their_owners_only_and_new_runs_come_after_the_old(bound, archive):
    dump(bound.source, archive)
    assert restore(bound.target, archive).status == 0
    db = PostgresDb(bound.target, create_schema=False, pool_size=1)
    assert (await db.get_session("alices", owner="alice")).session_id == "alices"
    assert await db.get_session("alices", owner="bob") is None
    await accepted(db, a_run("alices", run_id="next"), owner="alice")
    await db.close()
    with administering(bound.target) as connection:
        connection.execute("SET agentos.anyone = 'on'")
        runs = connection.execute("SELECT run_id FROM ai.agentos_runs ORDER BY position").fetchall()
    assert runs == [("alices-run",), ("bobs-run",), ("next",)]


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", SETS)
def test_an_archive_of_an_earlier_release_is_restored_and_upgraded(bound, archive, release, name):
    """The database holds two sets of tables and what DBOS has recorded."""
    with administering(bound.target) as connection:
        connection.execute(release.read_text())
    options = [f"--table={parameter}={table}" for parameter, table in SETS[name].items()]
    dump(bound.target, archive, *options)
    before = counted(bound.target)
    with administering(bound.target) as connection:
        connection.execute("DROP SCHEMA ai, dbos CASCADE")
    assert restore(bound.target, archive, *options).status == 0
    after = counted(bound.target)
    assert len({table.partition(".")[0] for table in after}) == 2
    assert {table: before.get(table, count) for table, count in after.items()} == after
    names = [SETS[name].get(parameter, usual) for parameter, usual in ADDED.items()]
    quoted = {f'ai."{each}"' if " " in each else f"ai.{each}" for each in names}
    assert after.keys() <= before.keys() | quoted | {'ai."shop sessions_version"'}
    assert agentos("db", "status", "--url", bound.target, *options).status == 0


def test_a_set_comes_back_under_its_own_names(bound, archive):
    tables = {
        "session_table": "the sessions",
        "runs_table": "Runs",
        "event_table": "select",
        "memory_table": 'say "hi"',
    }
    converse(bound.source, db_schema="My Schema", **tables)
    options = ["--schema=My Schema", *(f"--table={parameter}={name}" for parameter, name in tables.items())]
    dump(bound.source, archive, *options)
    assert restore(bound.target, archive, *options).status == 0
    with administering(bound.target) as connection:
        connection.execute("SET agentos.anyone = 'on'")
        assert connection.execute('SELECT count(*) FROM "My Schema"."select"').fetchone() == (6,)


def damage(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-2000])


def replace(archive: Path) -> None:
    archive.write_text("SELECT 1;\n")


def empty(archive: Path) -> None:
    archive.write_bytes(b"")


@pytest.mark.parametrize("spoil", [damage, replace, empty])
def test_a_file_that_is_no_whole_archive_leaves_nothing(bound, archive, spoil):
    dump(bound.source, archive)
    whole = archive.read_bytes()
    spoil(archive)
    refused = restore(bound.target, archive)
    assert (refused.status, refused.output) == (1, "")
    assert refused.refusal.startswith(f"{str(archive)!r} can't be read: it isn't an archive of pg_dump")
    assert counted(bound.target) == {}
    archive.write_bytes(whole)
    assert restore(bound.target, archive).status == 0


def test_rows_that_postgres_refuses_leave_nothing(bound, owner, archive):
    with administering(bound.source) as connection:
        connection.execute("ALTER TABLE ai.agentos_runs DROP CONSTRAINT agentos_runs_status_check")
        connection.execute("SET agentos.anyone = 'on'")
        connection.execute("UPDATE ai.agentos_runs SET status = 'LOST' WHERE run_id = 'bobs-run'")
    dump(bound.source, archive)
    refused = restore(bound.target, archive)
    assert refused.status == 1
    assert refused.refusal.endswith("nothing was restored: SQLSTATE 23514.")
    assert counted(bound.target) == {}


def test_tables_that_are_there_are_left_as_they_are(bound, archive):
    dump(bound.source, archive)
    before = counted(bound.source)
    refused = restore(bound.source, archive)
    assert refused.status == 1
    assert refused.refusal == (
        "There are tables in db_schema='ai' already, like 'agentos_approvals': restore into an empty "
        "database."
    )
    assert counted(bound.source) == before


def test_records_of_durable_runs_that_are_there_are_left_as_they_are(bound, archive):
    dump(bound.source, archive)
    with administering(bound.target) as connection:
        connection.execute("CREATE SCHEMA dbos CREATE TABLE workflow_status (id int)")
    assert "'workflow_status': restore into an empty database" in restore(bound.target, archive).refusal
    assert counted(bound.target) == {"dbos.workflow_status": 0}
    with administering(bound.target) as connection:
        connection.execute("DROP TABLE dbos.workflow_status")
    assert restore(bound.target, archive).status == 0


def test_the_names_must_be_those_of_the_dump(bound, archive):
    dump(bound.source, archive)
    for option in ("--schema=other", "--table=session_table=chats", "--table=memory_table=others"):
        refused = restore(bound.target, archive, option)
        assert refused.status == 1
        assert refused.refusal.startswith(f"{str(archive)!r} has no table"), refused
    assert counted(bound.target) == {}


def test_a_role_that_may_not_create_the_tables_is_refused_until_it_may(bound, owner, archive):
    dump(bound.source, archive)
    admin, database = superuser(owner, bound.target), bound.target.rpartition("/")[2]
    admin.run(f"ALTER DATABASE {database} OWNER TO postgres")
    refused = restore(bound.target, archive)
    assert refused.status == 1
    assert refused.refusal.startswith("The role in db_url may not use or change the tables")
    admin.run(f"CREATE SCHEMA ai AUTHORIZATION {owner.made[0]}")
    assert restore(bound.target, archive).status == 0


def test_a_missing_file_is_said_to_be_so(bound, archive):
    called = restore(bound.target, archive)
    assert called.status == 2
    assert "does not exist" in called.output
