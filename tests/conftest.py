"""What every test stands on: one real Postgres for the whole run, a database per test, no way out.

`database` is the URL of a database of the test's own that has the tables already, `db` a started `PostgresDb`
on it. The server is the embedded one, or the one that `AGENTOS_TEST_DB_URL` names, whose role may create
databases. Workers of pytest-xdist share it.
"""

from __future__ import annotations

import asyncio
import atexit
import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings

from agentos.db.embedded import EmbeddedPostgres
from agentos.db.embedded.server import PASSWORD
from agentos.db.postgres import PostgresDb

FOLDER = "AGENTOS_TEST_POSTGRES"
TEMPLATE = "agentos_template"

# The machines that run this are slow now and then; that is no failure.
settings.register_profile("unhurried", deadline=None, database=None)
settings.load_profile("unhurried")


def pytest_configure(config):
    # Workers inherit the folder, so they find the same server. Pytest's own isn't open to the user nobody.
    if FOLDER not in os.environ:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="agentos-tests-", dir=quick_folder())
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True))


def quick_folder() -> str | None:
    """Memory, where there is plenty: cloning a database there takes a tenth of the time."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30 else None


def only_this_machine(event: str, arguments: tuple) -> None:
    """Lets no Python code connect, or look up a name, anywhere else."""
    if event == "socket.connect" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    is_number = event == "socket.getaddrinfo" and is_address(host)  # nobody is asked about those
    if host not in (None, "", "localhost", "LOCALHOST") and not is_number and not is_loopback(host):
        raise OSError(errno.ENETUNREACH, "tests may only reach this machine", host)


def is_address(host: str | None) -> bool:
    """Whether `host` is a number, in any of the forms that the system understands."""
    try:
        socket.inet_aton(host or "")
    except OSError:
        return ":" in (host or "")
    return True


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback or ip_address(host).is_unspecified
    except ValueError:
        return False


sys.addaudithook(only_this_machine)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A database on the server, to create others from."""
    given = os.environ.get("AGENTOS_TEST_DB_URL")
    if given:
        yield given
        return
    with EmbeddedPostgres(os.environ[FOLDER], fsync=False) as server:
        hasten_logins(server.url())
        yield server.url()


def hasten_logins(server_url: str) -> None:
    """Hashes the role's password once instead of 4096 times, which takes longer than the rest of a login."""
    with administering(server_url) as connection:
        if connection.info.server_version >= 160000:
            connection.execute("SELECT pg_advisory_lock(4711)")  # workers do this at once
            connection.execute("SET scram_iterations = 1")
            connection.execute(f"ALTER ROLE ai PASSWORD '{PASSWORD}'")


@pytest.fixture(scope="session")
def template(server_url) -> str:
    """The name of a database that has the tables; whoever comes first makes it."""
    name = f"{TEMPLATE}_{Path(os.environ[FOLDER]).name.rpartition('-')[2]}"
    with administering(server_url) as connection:
        connection.execute("SELECT pg_advisory_lock(4711)")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f'CREATE DATABASE "{name}"')
            PostgresDb(database_url(server_url, name)).schema.upgrade()
    return name


@pytest.fixture
def database(server_url, template) -> Iterator[str]:
    """The URL of a database that has the tables and nothing in them."""
    with a_database(server_url, template) as url:
        yield url


@pytest.fixture
def empty_database(server_url) -> Iterator[str]:
    """The URL of a database without the tables."""
    with a_database(server_url, "template1") as url:
        yield url


@pytest.fixture
async def db(database) -> AsyncIterator[PostgresDb]:
    """A started `PostgresDb`. A test that leaves a task to itself fails: it may be connecting."""
    started = PostgresDb(database, pool_size=5)
    await started.start()
    yield started
    left = asyncio.all_tasks() - {asyncio.current_task()}
    await started.close()
    assert not left, "whoever begins a task awaits it"


@contextmanager
def a_database(server_url: str, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    connection = administrator(server_url)
    connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    yield database_url(server_url, name)
    connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def administrator(server_url: str) -> psycopg.Connection:
    """A connection that stays open for all tests, most of which create a database."""
    connection = psycopg.connect(server_url.replace("+psycopg", ""), autocommit=True)
    atexit.register(connection.close)
    return connection


@contextmanager
def administering(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def database_url(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"
