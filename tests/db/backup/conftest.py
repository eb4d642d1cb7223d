"""Two databases of a role that is no superuser, and programs in place of Postgres' own."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from agentos.db import programs
from agentos.db.postgres import PostgresDb
from tests.conftest import administering
from tests.db.aged import a_conversation
from tests.db.logins import Logins, name_in


@dataclass(frozen=True)
class Place:
    """A database with the conversations of two users, and an empty one."""

    source: str
    target: str


@pytest.fixture
def place(database, empty_database) -> Place:
    """The databases belong to the role `ai`, whose transactions act as the role of `row_security`."""
    converse(database)
    return Place(database, empty_database)


@pytest.fixture(scope="module")
def owner(server) -> Iterator[Logins]:
    """A role that policies apply to; its first database is the template of `bound`."""
    logins = Logins(server.url(user="postgres"))
    login = name_in(logins.create())
    template = f"template_{login}"
    logins.run(f"CREATE DATABASE {template} OWNER {login}")
    url = beside(logins, template)
    PostgresDb(url).schema.upgrade()
    converse(url)
    yield logins
    logins.run(f"DROP DATABASE {template} WITH (FORCE)", f"DROP ROLE {login}")


@pytest.fixture
def bound(owner) -> Iterator[Place]:
    """The databases belong to a role that row-level security applies to."""
    (login,) = owner.made
    source, target = (f"test_{uuid4().hex}" for _ in range(2))
    owner.run(
        f"CREATE DATABASE {source} OWNER {login} TEMPLATE template_{login} STRATEGY FILE_COPY",
        f"CREATE DATABASE {target} OWNER {login}",
    )
    yield Place(beside(owner, source), beside(owner, target))
    owner.run(f"DROP DATABASE {source} WITH (FORCE)", f"DROP DATABASE {target} WITH (FORCE)")


def beside(owner: Logins, database: str) -> str:
    """The URL of a database for the first role of `owner`."""
    address = owner.superuser.rpartition("@")[2].rpartition("/")[0]
    return f"postgresql://{owner.made[0]}:x@{address}/{database}"


def converse(url: str, **tables: str) -> None:
    """Stores a conversation of alice's and one of bob's."""

    async def write() -> None:
        db = PostgresDb(url, pool_size=1, **tables)
        for user in ("alice", "bob"):
            await a_conversation(db, f"{user}s", user_id=user)
        await db.close()

    asyncio.run(write())


def superuser(owner: Logins, url: str) -> Logins:
    """A superuser's statements in the database of `url`."""
    return Logins(f"{owner.superuser.rpartition('/')[0]}/{url.rpartition('/')[2]}")


def counted(url: str) -> dict[str, int]:
    """The number of rows of every table in the database, as everyone's."""
    found = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('ai', 'dbos')"
    with administering(url) as connection:
        connection.execute("SET agentos.anyone = 'on'")
        names = [name for (name,) in connection.execute(found)]
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


@pytest.fixture
def instead(tmp_path, monkeypatch) -> Callable[[str], None]:
    """Puts a shell script in the place of `pg_dump`; it finds the real programs as `$pg_dump` and `$psql`."""

    def put(script: str) -> None:
        real = {name: shlex.quote(programs.newest(name).path) for name in ("pg_dump", "pg_restore", "psql")}
        folder = tmp_path / "programs"
        folder.mkdir()
        names = "".join(f"{name}={path}\n" for name, path in real.items())
        version = "if [ $1 = --version ]; then exec $pg_dump --version; fi\n"
        for name, text in (
            ("pg_dump", f"{names}{version}{script}\n"),
            ("pg_restore", f'{real["pg_restore"]} "$@"\n'),
        ):
            (folder / name).write_text(f"#!/bin/sh\n{text}")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("AGENTOS_PG_BIN", str(folder))

    return put
