"""Why a database can't be reached is said by its class: once a minute, and without its password."""

import asyncio
import logging
import socket
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

import pytest
from psycopg import OperationalError
from sqlalchemy import make_url

from agentos.db.connection import outages
from agentos.db.postgres import PostgresDb
from agentos.db.schema.upgrade import lock_key
from agentos.errors import ConfigurationError, DatabaseUnavailableError
from tests.conftest import administering
from tests.db.connection.test_db_outages import waiting
from tests.db.logins import name_in

NOWHERE = "postgresql://ai:hunter2@127.0.0.1:1/{}"


@pytest.fixture(autouse=True)
def all_logged(caplog):
    caplog.set_level(logging.INFO, logger="agentos.db")


def changed(url, **parts):
    return make_url(url).set(**parts).render_as_string(hide_password=False)


@asynccontextmanager
async def opened(url, **options):
    db = PostgresDb(url, **options)
    yield db
    await db.close()


@contextmanager
def silent_server():
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"database": "absent"}, "has no such database: create it"),
        ({"password": "hunter2"}, "refuses the login: correct user and password"),
        ({"username": "nobody", "password": "hunter2"}, "refuses the login: correct user and password"),
        ({"query": {"sslmode": "require"}}, "can't be reached with TLS as db_url wants it"),
        ({"query": {"options": "-c nothing=1"}}, "can't be reached with the options of db_url"),
    ],
)
async def test_what_only_an_operator_can_change_ends_the_start_with_a_sentence(database, parts, sentence):
    async with opened(changed(database, **parts)) as db:
        for call in (db.get_session("s", owner="alice"), db.start()):
            with pytest.raises(ConfigurationError) as refusal:
                await call
            assert sentence in str(refusal.value)
            assert "hunter2" not in str(refusal.value)
        assert not db.schema.is_ready


async def test_a_role_that_may_not_connect_is_told_what_to_grant(logins):
    url = logins.create()
    logins.run(f'REVOKE CONNECT ON DATABASE "{make_url(url).database}" FROM PUBLIC')
    async with opened(url) as db:
        with pytest.raises(ConfigurationError, match=f"{name_in(url)}.*GRANT CONNECT ON DATABASE"):
            await db.start()
        logins.run(f'GRANT CONNECT ON DATABASE "{make_url(url).database}" TO {name_in(url)}')
        with pytest.raises(ConfigurationError, match="may not use or change the tables"):
            await db.start()


async def test_a_missing_database_stays_missing(server_url):
    name = "nobody_asked_for_this"
    async with opened(changed(server_url, database=name)) as db:
        with pytest.raises(ConfigurationError):
            await db.start()
    with administering(server_url) as admin:
        assert admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None


@pytest.mark.parametrize(
    ("host", "reason"), [("127.0.0.1", "nothing listens on that port"), ("a.invalid", "isn't known")]
)
async def test_what_may_pass_is_an_outage_that_is_logged_once(caplog, host, reason):
    async with opened(changed(NOWHERE.format("logged_once"), host=host)) as db:
        for call in (db.start(), db.get_session("s", owner="alice"), db.get_session("s", owner="alice")):
            with pytest.raises(DatabaseUnavailableError) as failure:
                await call
            assert str(failure.value) == "The database isn't available. Try again in a moment."
    [line] = caplog.messages
    assert reason in line
    assert f"host {host!r}, port 1, database 'logged_once'" in line
    assert "hunter2" not in line


async def test_what_is_wrong_after_the_start_is_an_outage_too(database, caplog):
    wrong = changed(database, password="hunter2")
    async with opened(NOWHERE.format("later")) as db, opened(wrong) as refused:
        with pytest.raises(DatabaseUnavailableError):
            await db.start()
        with pytest.raises(ConfigurationError):
            await refused.start()
        for _ in range(2):
            with pytest.raises(DatabaseUnavailableError):
                await refused.get_session("s", owner="alice")
    assert len([line for line in caplog.messages if "refuses the login" in line]) == 1


async def test_the_end_of_an_outage_is_logged(database, caplog):
    url = make_url(database)
    outages.report(url, outages.sentence(url, outages.Cause("was away")))
    async with opened(database) as db:
        assert await db.get_session("s", owner="alice") is None
        assert await db.get_session("s", owner="alice") is None
    away, back = caplog.messages
    assert away.endswith("was away.")
    assert back.endswith("answers again.")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("FATAL:  sorry, too many clients already", "has no connection left"),
        ("FATAL:  remaining connection slots are reserved for roles with …", "has no connection left"),
        ("FATAL:  the database system is starting up", "is starting up"),
        (
            'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "ai"',
            "add a line to the server's pg_hba.conf",
        ),
        ("FATAL:  SASL authentication failed", "refuses the login"),
        ("FATAL:  no such database: ai", "has no such database"),
        ("connection to server failed: No route to host", "no route leads to the host"),
        ("Passwort-Authentifizierung fehlgeschlagen", "can't be reached, or has closed the connection"),
    ],
)
def test_causes_are_told_apart(said, told):
    assert told in outages.cause_of(OperationalError(said)).text


async def test_a_silent_server_holds_up_each_call_only_once():
    """Fifteen calls at once, in the time of one."""
    with silent_server() as port:
        url = changed(NOWHERE.format("silent"), port=port)
        async with opened(url, pool_timeout=0.5) as db:
            began = monotonic()
            calls = [db.get_session("s", owner="alice") for _ in range(15)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert monotonic() - began < 3
    assert {type(answer) for answer in answers} == {DatabaseUnavailableError}


async def test_a_start_waits_for_an_upgrade_however_long_it_takes_and_a_call_does_not(empty_database):
    async with opened(empty_database, query_timeout=0.2) as db:
        with administering(empty_database) as admin:
            admin.execute("SELECT pg_advisory_lock(%s)", [lock_key("ai")])  # as another process that upgrades
            with pytest.raises(DatabaseUnavailableError):
                await db.get_session("s", owner="alice")
            start = asyncio.create_task(db.start())
            await waiting(empty_database, 1)
            assert not start.done()
        await start
        assert await db.get_session("s", owner="alice") is None
