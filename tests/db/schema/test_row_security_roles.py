"""Whoever the server logs in as, row-level security binds it, or it doesn't start."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from agentos.db.embedded import EmbeddedPostgres
from agentos.db.postgres import PostgresDb
from agentos.db.schema.row_security import ROLE
from agentos.errors import ConfigurationError
from agentos.run.owner import ANYONE
from tests.db.logins import Logins, name_in
from tests.db.made import a_memory

COUNT = text("SELECT count(*) AS count, current_user::text AS role FROM ai.agentos_memories")


async def seen(db, owner=None) -> tuple[int, str]:
    (row,) = await db._engine.execute(COUNT, owner=owner)
    return row["count"], row["role"]


async def is_walled(url, *, role) -> bool:
    """Whether alice, bob and anyone see exactly what they should, and nobody nothing."""
    db = PostgresDb(url, pool_size=1)
    for user in ("alice", "bob"):
        await db.create_memory(a_memory(user_id=user), owner=user)
    found = [await seen(db, owner) for owner in ("alice", None, ANYONE, "bob", "dave", None)]
    await db.close()
    return found == [(1, role), (0, role), (2, role), (1, role), (0, role), (0, role)]


async def test_a_superuser_is_bound(logins):
    assert await is_walled(logins.superuser, role=ROLE)


async def test_a_role_that_may_create_roles_is_bound_and_admin_reads_are_not(logins):
    url = logins.create("CREATEROLE")
    logins.run(f"GRANT CREATE ON DATABASE {database_of(url)} TO {name_in(url)}")
    # As on a server where it comes first: whoever makes the role may act as it.
    logins.run(f"GRANT {ROLE} TO {name_in(url)} WITH ADMIN OPTION")
    assert await is_walled(url, role=ROLE)
    with psycopg.connect(url) as admin:
        assert admin.execute("SELECT count(*) FROM ai.agentos_memories").fetchone() == (2,)


async def test_an_owner_of_the_tables_that_may_not_act_as_another_is_bound(logins):
    url = logins.create()
    logins.run(f"GRANT CREATE ON DATABASE {database_of(url)} TO {name_in(url)}")
    assert await is_walled(url, role=name_in(url))
    with psycopg.connect(url) as admin:
        assert admin.execute("SELECT count(*) FROM ai.agentos_memories").fetchone() == (0,)
        admin.execute("SET agentos.anyone = 'on'")
        assert admin.execute("SELECT count(*) FROM ai.agentos_memories").fetchone() == (2,)
    assert PostgresDb(url).schema.upgrade().is_current


async def test_an_owner_is_bound_on_a_server_where_nobody_has_made_the_role(shared_folder):
    with EmbeddedPostgres(shared_folder, fsync=False) as own:
        logins = Logins(own.url("ai", user="postgres"))
        url = logins.create()
        logins.run(f"GRANT CREATE ON DATABASE {database_of(url)} TO {name_in(url)}")
        assert await is_walled(url, role=name_in(url))


async def test_a_role_that_owns_nothing_is_bound(logins):
    PostgresDb(logins.superuser).schema.upgrade()
    url = logins.create()
    logins.run(
        f"GRANT USAGE ON SCHEMA ai TO {name_in(url)}",
        f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ai TO {name_in(url)}",
    )
    assert await is_walled(url, role=name_in(url))


async def test_a_role_above_row_level_security_must_be_able_to_step_down(logins):
    PostgresDb(logins.superuser).schema.upgrade()
    url = logins.create("BYPASSRLS")
    logins.run(
        f"GRANT USAGE ON SCHEMA ai TO {name_in(url)}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA ai TO {name_in(url)}",
    )
    for create_schema in (True, False):
        with pytest.raises(ConfigurationError, match=f"GRANT {ROLE} to the one in db_url"):
            await PostgresDb(url, create_schema=create_schema).start()
    logins.run(f"GRANT {ROLE} TO {name_in(url)}")
    db = PostgresDb(url, create_schema=False)
    assert await seen(db) == (0, ROLE)
    await db.close()
    assert await is_walled(url, role=ROLE)


async def test_a_role_that_bypasses_row_level_security_is_never_acted_as(server, shared_folder):
    with EmbeddedPostgres(shared_folder, fsync=False) as own:
        logins = Logins(own.url("ai", user="postgres"))
        logins.run(f"CREATE ROLE {ROLE} BYPASSRLS", f"GRANT {ROLE} TO ai")
        assert await is_walled(own.url(), role="ai")
        with pytest.raises(ConfigurationError, match="Row-level security"):
            await PostgresDb(logins.superuser).start()


async def test_databases_that_come_first_together_share_the_role_and_one_makes_it_again(shared_folder):
    with EmbeddedPostgres(shared_folder, fsync=False) as own:
        logins = Logins(own.url("ai", user="postgres"))
        names = [f"tenant_{number}" for number in range(4)]
        logins.run(*(f"CREATE DATABASE {name} OWNER ai" for name in names))
        upgrades = (asyncio.to_thread(PostgresDb(own.url(name)).schema.upgrade) for name in names)
        assert all(status.is_current for status in await asyncio.gather(*upgrades))
        for name in names:
            assert await is_walled(own.url(name), role=ROLE)
            # As in a database that was restored on a server without the role.
            Logins(own.url(name, user="postgres")).run(f"DROP OWNED BY {ROLE}")
        logins.run(f"DROP ROLE {ROLE}")
        with pytest.raises(ConfigurationError, match="`agentos db upgrade`"):
            await PostgresDb(own.url(names[0]), create_schema=False).start()
        for name in names:
            db = PostgresDb(own.url(name))
            assert await seen(db) == (0, ROLE)
            await db.close()


async def test_tables_that_lost_their_policies_stop_the_start(logins):
    PostgresDb(logins.superuser).schema.upgrade()
    logins.run("ALTER TABLE ai.agentos_runs DISABLE ROW LEVEL SECURITY")
    with pytest.raises(ConfigurationError, match="Row-level security"):
        await PostgresDb(logins.superuser).start()


def database_of(url) -> str:
    return f'"{url.rpartition("/")[2]}"'
