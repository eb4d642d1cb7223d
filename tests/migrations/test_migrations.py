import asyncio
import logging
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, make_url, text

import agentos
from agentos.db.postgres import PostgresDb
from agentos.db.schema import upgrade
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import Tables
from agentos.errors import ConfigurationError, DatabaseUnavailableError
from agentos.run.owner import ANYONE

CUSTOM = {
    "db_schema": "My Schema",
    "session_table": "the sessions",
    "runs_table": "Runs",
    "event_table": "select",
    "memory_table": 'say "hi"',
}
NAMES = {"default": {}, "custom": CUSTOM}

CATALOG = """
SELECT table_name || '.' || column_name, data_type || ' ' || udt_name || ' ' || is_nullable || ' '
    || is_identity || ' ' || coalesce(identity_generation, '') || ' ' || coalesce(column_default, '')
FROM information_schema.columns WHERE table_schema = :schema
UNION ALL
SELECT conrelid::regclass::text || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = to_regnamespace(:quoted)
UNION ALL
SELECT tablename || '.' || indexname, indexdef FROM pg_indexes WHERE schemaname = :schema
ORDER BY 1, 2
"""


@contextmanager
def connected(url):
    # A schema on the search path loses its name when it is looked at.
    path = {"options": "-c search_path=pg_catalog"}
    with create_engine(url, poolclass=NullPool, connect_args=path).begin() as connection:
        yield connection


def catalog(url, name):
    """Everything about the tables in a schema but which one it is, and its table of versions."""
    with connected(url) as connection:
        rows = connection.execute(text(CATALOG), {"schema": name, "quoted": f'"{name}"'}).all()
    return [tuple(part.replace(f'"{name}"', "S").replace(f"{name}.", "S.") for part in row) for row in rows]


def names_of(fields) -> TableNames:
    short = {"db_schema": "schema", "session_table": "sessions", "runs_table": "runs"}
    short |= {"event_table": "events", "memory_table": "memories"}
    return TableNames(**{short[name]: value for name, value in fields.items()})


@pytest.mark.parametrize("names", NAMES)
def test_the_revisions_make_the_very_tables_of_the_code(empty_database, names):
    fields = NAMES[names]
    db = PostgresDb(empty_database, **fields)
    assert db.schema.status().current is None
    status = db.schema.upgrade()
    assert status.is_current
    tables = names_of(fields)
    made = catalog(empty_database, tables.schema)
    with connected(empty_database) as connection:
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _: name != tables.version_table,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Tables(tables).metadata) == []
        connection.execute(text(f'DROP SCHEMA "{tables.schema}" CASCADE'))
        connection.execute(text(f'CREATE SCHEMA "{tables.schema}"'))
        Tables(tables).metadata.create_all(connection)
    coded = catalog(empty_database, tables.schema)
    assert len(coded) > 40
    assert [row for row in made if tables.version_table not in row[0]] == coded


@pytest.mark.parametrize("names", NAMES)
async def test_tables_under_any_name_work(empty_database, names):
    db = PostgresDb(empty_database, **NAMES[names])
    assert await db.get_session("s", owner=ANYONE) is None
    assert (await db.memory_stats(owner=ANYONE)).total == 0
    assert await db.read_events("r", after=0, owner=ANYONE) == []
    assert db.schema.status().is_current
    await db.close()


def test_upgrading_again_changes_nothing(empty_database):
    db = PostgresDb(empty_database)
    first = db.schema.upgrade()
    before = catalog(empty_database, "ai")
    assert db.schema.upgrade() == first
    assert PostgresDb(empty_database).schema.upgrade() == first
    assert catalog(empty_database, "ai") == before


def test_processes_that_upgrade_together_wait_for_one_another(empty_database):
    code = "import sys; from agentos.db.postgres import PostgresDb; PostgresDb(sys.argv[1]).schema.upgrade()"
    with connected(empty_database) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": upgrade.lock_key("ai")})
        processes = [subprocess.Popen([sys.executable, "-c", code, empty_database]) for _ in range(4)]
        while connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")) < 4:
            assert [process.poll() for process in processes] == [None] * 4
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert PostgresDb(empty_database).schema.status().is_current


async def test_first_calls_that_come_together_make_the_tables_once(empty_database):
    dbs = [
        PostgresDb(empty_database),
        PostgresDb(empty_database),
        PostgresDb(empty_database, db_schema="other"),
    ]
    calls = [db.get_session("s", owner=ANYONE) for db in dbs for _ in range(5)]
    assert await asyncio.gather(*calls) == [None] * 15
    for db in dbs:
        await db.close()


async def test_told_not_to_make_tables_it_says_who_does(empty_database):
    db = PostgresDb(empty_database, create_schema=False)
    for call in (db.get_session("s", owner=ANYONE), db.start()):
        with pytest.raises(ConfigurationError, match="`agentos db upgrade`"):
            await call
    with pytest.raises(DatabaseUnavailableError):  # a server has started without it
        await db.get_session("s", owner=ANYONE)
    assert catalog(empty_database, "ai") == []
    db.schema.upgrade()
    await db.start()
    assert await db.get_session("s", owner=ANYONE) is None
    await db.close()


async def test_tables_of_a_newer_version_are_left_alone(database):
    with connected(database) as connection:
        connection.execute(text("UPDATE ai.agentos_schema_version SET version_num = '9999'"))
    db = PostgresDb(database)
    with pytest.raises(ConfigurationError, match="upgrade agentos"):
        await db.start()
    assert db.schema.status().current == "9999"
    assert not db.schema.status().is_current


async def test_two_sets_of_tables_may_share_one(empty_database):
    one, two = (
        PostgresDb(empty_database),
        PostgresDb(empty_database, session_table="s", runs_table="r", event_table="e"),
    )
    await one.start()
    await two.start()
    assert one.schema.status().is_current
    assert two.schema.status().is_current
    assert await two.get_session("s", owner=ANYONE) is None
    for db in (one, two):
        await db.close()


@pytest.fixture
def visitor(empty_database):
    """The URL of the same database for a role that may connect and nothing else."""
    role = f"visitor_{empty_database.rpartition('_')[2]}"
    with connected(empty_database) as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'v'"))
    yield make_url(empty_database).set(username=role, password="v").render_as_string(hide_password=False)
    with connected(empty_database) as connection:
        connection.execute(text(f"GRANT {role} TO CURRENT_USER"))
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))


async def test_a_role_that_may_not_make_tables_is_named_the_mend(empty_database, visitor):
    db = PostgresDb(visitor)
    with pytest.raises(ConfigurationError, match=r"db_url may not .* `agentos db upgrade`"):
        await db.start()
    PostgresDb(empty_database).schema.upgrade()
    with connected(empty_database) as connection:
        role = visitor.partition("://")[2].partition(":")[0]
        connection.execute(text(f"GRANT USAGE ON SCHEMA ai TO {role}"))
        connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA ai TO {role}"))
    await db.start()
    assert await db.get_session("s", owner=ANYONE) is None
    await db.close()


def test_the_revisions_are_numbered_in_their_order():
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_folder()))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    numbers = [script.revision for script in reversed(scripts)]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert all(Path(script.path).name.startswith(f"{script.revision}_") for script in scripts)


def test_migrating_leaves_the_apps_logging_alone(empty_database):
    root, ours = logging.getLogger(), logging.getLogger("agentos.some.module")
    before = (root.level, list(root.handlers), ours.disabled)
    PostgresDb(empty_database).schema.upgrade()
    assert (root.level, list(root.handlers), ours.disabled) == before


def test_an_installed_package_brings_its_revisions_along(empty_database, tmp_path):
    source = Path(agentos.__file__).parent
    shutil.copytree(source, tmp_path / "agentos", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(source.parent / "migrations", tmp_path / "agentos" / "db" / "migrations")
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from agentos.db import postgres;"
        "from agentos.db.schema.upgrade import migrations_folder;"
        "postgres.PostgresDb(sys.argv[1]).schema.upgrade(); print(migrations_folder())"
    )
    command = [sys.executable, "-c", code, empty_database, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert Path(done.stdout.strip()) == tmp_path / "agentos" / "db" / "migrations"
    assert PostgresDb(empty_database).schema.status().is_current
