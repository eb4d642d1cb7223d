import asyncio
import shlex
import subprocess
import sys
from contextlib import aclosing

import pytest

from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError
from tests.cli.commands import agentos
from tests.db.made import a_run, a_session, accepted, finished

URL = "postgresql+psycopg://ai:ai@localhost:5532/ai"


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres"])
def test_every_spelling_of_postgres_is_taken(scheme):
    assert PostgresDb(f"{scheme}://ai:ai@localhost:5532/ai").id == PostgresDb(db_url=URL).id


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "nonsense hunter2",
        "sqlite:///hunter2.db",
        "postgresql+asyncpg://ai:hunter2@localhost/ai",
        "mysql://ai:hunter2@localhost/ai",
        "postgresql://ai:hunter2@localhost:port/ai",
    ],
)
def test_another_address_is_refused_without_its_password(url):
    with pytest.raises(ConfigurationError, match=r"db_url must look like postgresql\+psycopg://") as refusal:
        PostgresDb(url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("pgbouncer=true", "'pgbouncer', which Postgres doesn't know: remove it."),
        ("sslmod=require", "Did you mean 'sslmode'?"),
        ("prepare_threshold=0", "'prepare_threshold'"),
        ("connect_timeout=5&connect_timeout=6", "'connect_timeout' more than once"),
        ("connect_timeout=soon", "'connect_timeout', which must be a number"),
    ],
)
def test_parameters_that_postgres_doesnt_know_are_refused(query, sentence):
    with pytest.raises(ConfigurationError) as refusal:
        PostgresDb(f"{URL}?{query}")
    assert sentence in str(refusal.value)


def test_parameters_that_postgres_knows_are_taken():
    PostgresDb(f"{URL}?sslmode=require&connect_timeout=3&options=-c%20geqo%3Doff&target_session_attrs=any")
    PostgresDb("postgresql://ai:ai@/ai?host=one:5432&host=two:5432")


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, "agentos db upgrade"),
        ({"db_schema": "mine"}, "agentos db upgrade --schema mine"),
        ({"db_schema": "a b", "runs_table": "r"}, "agentos db upgrade --schema 'a b' --table runs_table=r"),
    ],
)
async def test_a_hint_is_the_whole_command(empty_database, options, command):
    db = PostgresDb(empty_database, create_schema=False, **options)
    with pytest.raises(ConfigurationError, match=f"run `{command}`"):
        await db.start()
    called = shlex.split(command.removeprefix("agentos "))
    assert agentos(*called, env={"AGENTOS_DB_URL": empty_database}).status == 0
    await db.start()
    await db.close()


@pytest.mark.parametrize("schema", ["50%", "a%(s)s", "a:b", 'a"b', "a b", "$x"])
async def test_any_character_may_be_in_the_name_of_the_schema(empty_database, schema):
    db = PostgresDb(empty_database, db_schema=schema)
    await db.create_session(a_session("s"), owner="alice")
    run = a_run("s")
    await accepted(db, run)
    await finished(db, run)
    assert (await db.get_session("s", owner="alice")).session_id == "s"
    async with asyncio.timeout(10), aclosing(db.notifications()) as notifications:
        assert (await anext(notifications)).kind == "connected"
    assert (await db.delete_user("alice")).counts["runs"] == 1
    await db.close()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("db_schema", ""),
        ("db_schema", "a.b"),
        ("session_table", "x" * 41),
        ("runs_table", "naïve"),
        ("event_table", "a\0b"),
        ("memory_table", "agentos_runs"),
        ("pool_size", 0),
        ("pool_timeout", -1),
        ("query_timeout", 0),
    ],
)
def test_a_parameter_that_cannot_work_is_refused_by_name(parameter, value):
    with pytest.raises(ConfigurationError, match=parameter):
        PostgresDb(URL, **{parameter: value})


def test_the_id_depends_on_place_and_schema_not_on_who_logs_in():
    same = PostgresDb("postgresql://root:secret@localhost:5532/ai")
    assert PostgresDb(URL).id == same.id
    assert len({same.id, PostgresDb(URL, db_schema="b").id, PostgresDb(URL.replace("5532", "5533")).id}) == 3
    assert PostgresDb(URL, id="mine").id == "mine"


def test_tables_are_named_as_configured():
    names = {"session_table": "s", "runs_table": "r", "event_table": "e", "memory_table": "m"}
    assert PostgresDb(URL, **names).tables == {"sessions": "s", "runs": "r", "events": "e", "memories": "m"}
    assert PostgresDb(URL).tables["sessions"] == "agentos_sessions"


def test_importing_the_protocol_imports_no_sql():
    code = "import sys, agentos.db.base; sys.exit('sqlalchemy' in sys.modules or 'psycopg' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
