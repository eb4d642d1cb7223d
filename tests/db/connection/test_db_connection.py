import subprocess
import sys

import pytest
from sqlalchemy import make_url

from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError, DatabaseUnavailableError

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
    ("parameter", "value"),
    [
        ("db_schema", ""),
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


async def test_a_wrong_password_and_no_server_are_the_same_and_say_nothing(database, caplog):
    wrong = make_url(database).set(password="hunter2").render_as_string(hide_password=False)
    for url in (wrong, "postgresql://ai:hunter2@127.0.0.1:1/ai"):
        db = PostgresDb(url)
        for call in (db.start(), db.get_session("s", owner="alice")):
            with pytest.raises(DatabaseUnavailableError) as failure:
                await call
            assert str(failure.value) == "The database isn't available. Try again in a moment."
        assert not db.schema.is_ready
        await db.close()
    assert "hunter2" not in caplog.text
    assert "authentication" not in caplog.text
    assert "database 'ai'" in caplog.text
