"""A transaction is its owner's, and happens altogether or not at all."""

import pytest
from sqlalchemy import text

from agentos.db.schema.row_security import ROLE
from agentos.errors import DatabaseUnavailableError
from agentos.run.owner import ANYONE
from tests.conftest import administering
from tests.db.made import a_memory

COUNT = text("SELECT count(*) AS seen FROM ai.agentos_memories")
ROLE_NOW = text("SELECT current_user::text AS role")
DELETE = text("DELETE FROM ai.agentos_memories")


@pytest.fixture
async def memories(db):
    for user in ("alice", "bob"):
        await db.create_memory(a_memory(user_id=user), owner=user)
    return db


@pytest.mark.parametrize(("owner", "seen"), [("alice", 1), ("carol", 0), (ANYONE, 2), ("a\0", 0), ("", 0)])
async def test_postgres_shows_it_the_rows_of_its_owner_only(memories, owner, seen):
    async with memories._engine.transaction(owner) as transaction:
        assert (await transaction.execute(COUNT))[0]["seen"] == seen
        await transaction.execute(DELETE)
        assert (await transaction.execute(COUNT))[0]["seen"] == 0
    async with memories._engine.transaction(ANYONE) as transaction:
        assert (await transaction.execute(COUNT))[0]["seen"] == 2 - seen


async def test_an_error_undoes_it(memories):
    async def fail():
        async with memories._engine.transaction(ANYONE) as transaction:
            await transaction.execute(DELETE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with memories._engine.transaction(ANYONE) as transaction:
        assert (await transaction.execute(COUNT))[0]["seen"] == 2


async def test_it_is_the_role_that_logged_in_only_where_it_says_so(db):
    async def role(transaction):
        return (await transaction.execute(ROLE_NOW))[0]["role"]

    async with db._engine.transaction("alice") as transaction:
        before = await role(transaction)
        async with transaction.as_login():
            inside = await role(transaction)
        assert (before, await role(transaction)) == (ROLE, ROLE)
        assert inside != ROLE


async def test_all_of_one_moment_where_that_is_asked_for(memories):
    for isolation, seen in (("REPEATABLE READ", 2), ("READ COMMITTED", 3)):
        async with memories._engine.transaction(ANYONE, isolation=isolation) as transaction:
            assert (await transaction.execute(COUNT))[0]["seen"] == 2
            await memories.create_memory(a_memory("new"), owner="alice")
            assert (await transaction.execute(COUNT))[0]["seen"] == seen
        await memories.delete_memories(["new"], owner="alice")


async def test_a_connection_that_is_lost_is_a_database_that_is_away(memories, database):
    async def lose():
        async with memories._engine.transaction(ANYONE) as transaction:
            await transaction.execute(DELETE)
            with administering(database) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid != pg_backend_pid()"
                )
            await transaction.execute(COUNT)

    with pytest.raises(DatabaseUnavailableError):
        await lose()
    async with memories._engine.transaction(ANYONE) as transaction:
        assert (await transaction.execute(COUNT))[0]["seen"] == 2
