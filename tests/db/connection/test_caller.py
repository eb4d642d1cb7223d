import asyncio

import psycopg
import pytest

from agentos.db.connection import caller
from agentos.db.schema.row_security import ROLE
from agentos.run.owner import ANYONE
from tests.db.made import a_session


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


async def test_a_statement_sees_what_was_done_before_its_locks_were_had(database):
    async with await connected(database) as one, await connected(database) as two:
        two.locks = [4, -7, 4]
        async with await psycopg.AsyncConnection.connect(database.replace("+psycopg", "")) as holder:
            await holder.execute("CREATE TABLE public.numbers (number int)")
            await holder.execute("GRANT SELECT ON public.numbers TO PUBLIC")
            await holder.commit()
            await holder.execute("SELECT pg_advisory_xact_lock(-7)")
            looking = asyncio.create_task(two.execute("SELECT number FROM public.numbers"))
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while await (await one.execute(waiting)).fetchone() == (0,):
                await asyncio.sleep(0)
            await holder.execute("INSERT INTO public.numbers VALUES (1)")
        assert await (await looking).fetchone() == (1,)
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert await (await two.execute(held)).fetchone() == (0,)


async def test_a_look_sees_everybodys_rows_and_what_follows_only_the_callers(database, db):
    for user in ("alice", "bob"):
        await db.create_session(a_session(user_id=user), owner=user)
    count = "(SELECT count(*) FROM ai.agentos_sessions)"
    async with await connected(database) as connection:
        connection.owner = "alice"
        connection.look = f"SELECT set_config('agentos.found', {count}::text, true)".encode()
        found = await connection.execute(f"SELECT current_setting('agentos.found'), {count}")
        assert await found.fetchone() == ("2", 1)
        found = await connection.execute(f"SELECT current_setting('agentos.found', true), {count}")
        assert await found.fetchone() == ("", 0)


async def test_a_statement_that_cannot_be_sent_leaves_a_sound_connection_or_none(database):
    async with await connected(database) as connection:
        connection.owner = "alice"
        with pytest.raises(psycopg.ProgrammingError, match="adapt"):
            await connection.execute("SELECT %s", [object()])
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="65535"):
            await connection.execute(f"SELECT {', '.join(['%s'] * 70_000)}", ["1"] * 70_000)
        assert connection.closed
