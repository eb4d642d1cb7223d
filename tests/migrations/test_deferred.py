"""What would hold up a start is left to `agentos db upgrade`, which can be interrupted."""

import asyncio
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

import agentos
from agentos.db.connection.url import parse_url
from agentos.db.postgres import PostgresDb
from agentos.db.schema import deferred
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.upgrade import DatabaseSchema, lock_key, migrations_folder
from tests.conftest import administering
from tests.db.made import a_memory

INDEX = "agentos_memories_updated"
"""An index of the tables, which the tests take away: as if it were a new one."""
ROWS = 2 * deferred.BATCH + 1

REVISION = """
from alembic import context, op
import sqlalchemy as sa
from agentos.db.schema.deferred import Backfill

revision, down_revision = "{number}", "{before}"


def upgrade():
    names = context.config.attributes["names"]
    op.add_column(names.memories, sa.Column("length", sa.Integer), schema=names.schema)


def backfills(names):
    table = f"{{names.schema}}.{{names.memories}}"
    return [Backfill(table, where="length IS NULL", values="length = length(memory)")]
"""
LEFT = (f"index {INDEX}", "rows of ai.agentos_memories")


def with_revision(folder: Path) -> Path:
    """The revisions, and one that leaves something to do."""
    copied = Path(shutil.copytree(migrations_folder(), folder))
    before = max(path.name for path in (copied / "versions").glob("[0-9]*.py"))[:4]
    number = f"{int(before) + 1:04}"
    (copied / "versions" / f"{number}_length.py").write_text(REVISION.format(number=number, before=before))
    return copied


@pytest.fixture
def migrations(tmp_path) -> Path:
    return with_revision(tmp_path / "migrations")


@pytest.fixture
def schema(database, migrations) -> DatabaseSchema:
    """Tables of the present release, with rows, about to be upgraded to the next one."""
    with administering(database) as connection:
        connection.execute(f"DROP INDEX ai.{INDEX}")
        connection.execute(
            "INSERT INTO ai.agentos_memories (memory_id, memory, user_id) "
            f"SELECT number, repeat('x', number % 9), 'alice' FROM generate_series(1, {ROWS}) AS number"
        )
    return DatabaseSchema(parse_url(database), TableNames(), migrations=migrations)


def filled(url: str) -> int:
    with administering(url) as connection:
        query = "SELECT count(*) FROM ai.agentos_memories WHERE length = length(memory)"
        return connection.execute(query).fetchone()[0]


def test_a_start_leaves_it_and_says_so(database, schema, caplog):
    with caplog.at_level(logging.WARNING):
        schema.ensure(create=True)
    status = schema.status()
    assert schema.is_ready
    assert (status.is_current, status.deferred) == (True, LEFT)
    assert "Run `agentos db upgrade` to finish the upgrade" in caplog.text
    assert filled(database) == 0


def test_an_upgrade_does_it(database, schema):
    schema.ensure(create=True)
    status = schema.upgrade()
    assert (status.is_current, status.deferred) == (True, ())
    assert filled(database) == ROWS
    assert schema.upgrade() == status


async def test_servers_work_before_and_meanwhile(database, schema):
    db = PostgresDb(database)
    await db.start()
    await asyncio.to_thread(schema.ensure, create=True)
    with administering(database) as connection, connection.transaction():
        # Holds the backfill up where it has begun.
        connection.execute("SELECT FROM ai.agentos_memories WHERE memory_id = '1' FOR UPDATE")
        upgrading = asyncio.get_running_loop().run_in_executor(None, schema.upgrade)
        while connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
            assert not upgrading.done()
        await db.create_memory(a_memory("new"), owner="alice")
        assert (await db.get_memory("new", owner="alice")).memory == "Likes tea"
    assert (await upgrading).deferred == ()
    await db.close()


def test_a_backfill_that_is_interrupted_is_continued(database, schema):
    schema.ensure(create=True)
    with administering(database) as connection:
        connection.execute(f"""
            CREATE SEQUENCE changed;
            CREATE FUNCTION interrupt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('changed') > {deferred.BATCH + 1} THEN RAISE 'interrupted'; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER interrupt BEFORE UPDATE ON ai.agentos_memories
            FOR EACH ROW EXECUTE FUNCTION interrupt();
        """)
        with pytest.raises(DBAPIError):
            schema.upgrade()
        assert filled(database) == deferred.BATCH
        assert schema.status().deferred == LEFT[1:]
        connection.execute("DROP TRIGGER interrupt ON ai.agentos_memories")
    assert schema.upgrade().deferred == ()
    assert filled(database) == ROWS


def test_an_index_that_was_left_half_built_is_built_anew(database, schema):
    schema.ensure(create=True)
    with administering(database) as connection:
        with pytest.raises(Exception, match="could not create unique index"):
            connection.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {INDEX} ON ai.agentos_memories (user_id)")
        assert schema.status().deferred == LEFT
        assert schema.upgrade().deferred == ()
        query = "SELECT indexdef FROM pg_indexes WHERE indexname = %s"
        assert connection.execute(query, [INDEX]).fetchone()[0].endswith("(updated_at)")


def test_two_upgrades_at_once_do_not_do_it_twice(schema, database):
    schema.ensure(create=True)
    with administering(database) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [lock_key("upgrade ai")])
        assert schema.upgrade().deferred == LEFT
    assert schema.upgrade().deferred == ()


def test_new_tables_leave_nothing_to_do(empty_database, migrations):
    new = DatabaseSchema(parse_url(empty_database), TableNames(), migrations=migrations)
    new.ensure(create=True)
    assert (new.status().is_current, new.status().deferred) == (True, ())


def test_the_command_says_what_is_left_and_does_it(database, schema, migrations, tmp_path):
    source = Path(agentos.__file__).parent
    shutil.copytree(source, tmp_path / "agentos", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(migrations, tmp_path / "agentos" / "db" / "migrations")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from agentos.cli import main; main()"

    def command(name: str) -> tuple[int, str]:
        called = [sys.executable, "-c", code, str(tmp_path), "db", name, "--url", database]
        done = subprocess.run(called, capture_output=True, text=True, cwd=tmp_path, check=False)
        return done.returncode, done.stdout

    with administering(database) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [lock_key("upgrade ai")])
        status, said = command("upgrade")
    assert (status, said.count("Left to another process: ")) == (0, 2)
    status, said = command("status")
    assert (status, said.count("Run `agentos db upgrade` to finish")) == (1, 2)
    assert command("upgrade")[1].startswith("Finished the upgrade to revision")
    assert schema.status().deferred == ()
