import psycopg
import pytest

from agentos.db import caller
from agentos.db.row_security import ROLE
from agentos.run.owner import ANYONE


async def connected(database) -> caller.CallersConnection:
    return await caller.connect(database.replace("+psycopg", ""), role=ROLE, autocommit=True)


async def test_no_setting_outlives_its_transaction_and_no_caller_its_statement(database):
    look = "SELECT current_user::text, current_setting('agentos.owner'), current_setting('agentos.anyone')"
    async with await connected(database) as connection:
        for owner, settings in [("alice", ("alice", "")), (ANYONE, ("", "on"))]:
            connection.owner = owner
            assert await (await connection.execute(look)).fetchone() == (ROLE, *settings)
            assert await (await connection.execute(look)).fetchone() == (ROLE, "", "")
            connection.owner = owner
            await connection.execute(look)
            # Past the cursor, as another client of a pooler would find the connection.
            left = connection.pgconn.exec_(look.encode())
            assert left.get_value(0, 0) != ROLE.encode()
            assert (left.get_value(0, 1), left.get_value(0, 2)) == (b"", b"")


async def test_a_statement_that_cannot_be_sent_leaves_a_sound_connection_or_none(database):
    async with await connected(database) as connection:
        connection.owner = "alice"
        with pytest.raises(psycopg.ProgrammingError, match="adapt"):
            await connection.execute("SELECT %s", [object()])
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="65535"):
            await connection.execute(f"SELECT {', '.join(['%s'] * 70_000)}", ["1"] * 70_000)
        assert connection.closed
