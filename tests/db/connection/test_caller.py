import asyncio
import os
import socket
from contextlib import suppress
from threading import Event

import psycopg
import pytest

from agentos.db.connection import caller
from agentos.db.connection.caller import NOBODY, Caller, CallersConnection
from agentos.db.schema.row_security import ROLE
from agentos.run.owner import ANYONE
from tests.conftest import administering
from tests.db.made import WAITING, a_session
from tests.db.wire import counting

ALICE = Caller("alice")
HELD = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
OPEN = """
SELECT xact_start IS NOT NULL AND wait_event IS NOT DISTINCT FROM 'ClientRead'
FROM pg_stat_activity WHERE pid = %s
"""
WHO = """
SELECT current_user::text, current_setting('agentos.owner', true), current_setting('agentos.anyone', true)
"""


async def connected(database) -> CallersConnection:
    return await caller.connect(database.replace("+psycopg", ""), role=ROLE)


async def row(connection, statement: str, parameters=None, *, whose: Caller = NOBODY):
    with connection.acting_for(whose):
        cursor = await connection.execute(statement, parameters)
    return await cursor.fetchone()


async def test_no_setting_outlives_its_transaction_and_no_caller_its_block(database):
    async with await connected(database) as connection:
        for whose, settings in [(ALICE, ("alice", "")), (Caller(ANYONE), ("", "on"))]:
            assert await row(connection, WHO, whose=whose) == (ROLE, *settings)
            assert await row(connection, WHO) == (ROLE, "", "")
            await row(connection, WHO, whose=whose)
            # Past the connection's own cursors, as another client of a pooler would find it.
            role, *left = await (await psycopg.AsyncCursor(connection).execute(WHO)).fetchone()
            assert role != ROLE
            assert left == ["", ""]


async def test_a_statement_sees_what_was_done_before_its_locks_were_had(database):
    async with await connected(database) as one, await connected(database) as two:
        async with await psycopg.AsyncConnection.connect(database.replace("+psycopg", "")) as holder:
            await holder.execute("CREATE TABLE public.numbers (number int)")
            await holder.execute("GRANT SELECT ON public.numbers TO PUBLIC")
            await holder.commit()
            await holder.execute("SELECT pg_advisory_xact_lock(-7)")
            locking = Caller(locks=[4, -7, 4])
            looking = asyncio.create_task(row(two, "SELECT number FROM public.numbers", whose=locking))
            while await row(one, WAITING) == (0,):
                await asyncio.sleep(0)
            await holder.execute("INSERT INTO public.numbers VALUES (1)")
        assert await looking == (1,)
        assert await row(two, HELD) == (0,)


async def test_a_look_sees_everybodys_rows_and_what_follows_only_the_callers(database, db):
    for user in ("alice", "bob"):
        await db.create_session(a_session(user_id=user), owner=user)
    count = "(SELECT count(*) FROM ai.agentos_sessions)"
    found = f"SELECT current_setting('agentos.found', true), {count}"
    look = f"SELECT set_config('agentos.found', {count}::text, true)"
    async with await connected(database) as connection:
        assert await row(connection, found, whose=Caller("alice", look=look)) == ("2", 1)
        assert await row(connection, found) == ("", 0)


async def test_everything_is_one_round_trip_that_a_pooler_may_send_anywhere(database):
    async with counting(database) as wire, await connected(wire.url) as connection:
        everything = Caller("alice", locks=[1], look="SELECT 1")
        for whose in (NOBODY, ALICE, everything, everything):
            wire.sent = b""
            assert await row(connection, WHO, whose=whose) == (ROLE, whose.owner or "", "")
            assert wire.round_trips == 1
            # Prepared and executed by messages that poolers follow, not by SQL, which they don't read.
            assert set(wire.sent) <= set(b"PBDECS")
        wire.sent = b""
        with connection.acting_for(ALICE):
            await connection.cursor().executemany("SELECT %s::text", [["a"], ["b"], ["c"]])
        assert wire.round_trips == 1


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the system can't hold back what is sent")
async def test_postgres_waits_for_nobody_with_a_transaction_open(database):
    # A process that is stopped just then would keep its locks.
    async with await connected(database) as connection:
        pid, done = connection.info.backend_pid, Event()

        def watched() -> list[bool]:
            with administering(database) as other:
                seen: list[bool] = []
                while not done.is_set():
                    seen += [is_open for (is_open,) in other.execute(OPEN, [pid])]
                return seen

        watching = asyncio.create_task(asyncio.to_thread(watched))
        for _ in range(300):
            await row(connection, "SELECT 1", whose=Caller("alice", locks=[1]))
        done.set()
        seen = await watching
        assert seen.count(True) < len(seen) / 20


async def test_many_at_once_are_the_callers_too_and_one_transaction(database, db):
    titled = "UPDATE ai.agentos_sessions SET title = %s WHERE 1 / length(%s) >= 0 RETURNING user_id"
    for user in ("alice", "bob"):
        await db.create_session(a_session(f"{user}s", user_id=user), owner=user)
    async with await connected(database) as connection:
        with connection.acting_for(ALICE):
            cursor = connection.cursor()
            with pytest.raises(psycopg.errors.DivisionByZero):
                await cursor.executemany(titled, [("old", "old"), ("", "")])
            await cursor.executemany(titled, [("older", "older"), ("new", "new")], returning=True)
            assert [await cursor.fetchall() async for _ in cursor.results()] == [[("alice",)]] * 2
    titles = [(await db.get_session(f"{user}s", owner=user)).title for user in ("alice", "bob")]
    assert titles == ["new", None]


async def test_no_cursor_of_the_server_goes_past_the_caller(database):
    async with await connected(database) as connection:
        for refusal in (psycopg.errors.NoActiveSqlTransaction, psycopg.NotSupportedError):
            with connection.acting_for(ALICE), pytest.raises(refusal):
                async with connection.cursor("named") as cursor:
                    await cursor.execute(WHO)
            assert await row(connection, WHO, whose=ALICE) == (ROLE, "alice", "")


@pytest.mark.parametrize(
    ("statement", "parameters", "error"),
    [
        ("SELECT 1 / 0", None, psycopg.errors.DivisionByZero),
        ("SELECT nothing", None, psycopg.errors.UndefinedColumn),
        ("SELECT 1; SELECT 2", None, psycopg.errors.SyntaxError),
        ("SELECT %s", [object()], psycopg.ProgrammingError),
        ("SELECT %s::text", ["a\0"], psycopg.DataError),
        ("SELECT %s::text", ["a\ud800"], UnicodeEncodeError),
        ("SELECT %s, %s", ["a"], psycopg.ProgrammingError),
    ],
)
async def test_a_statement_that_fails_leaves_a_sound_connection(database, statement, parameters, error):
    async with await connected(database) as connection:
        for _ in range(7):  # before, when and after statements are prepared
            with pytest.raises(error):
                await row(connection, statement, parameters, whose=ALICE)
            assert await row(connection, WHO) == (ROLE, "", "")
            assert await row(connection, "SELECT %s::int", [5], whose=ALICE) == (5,)
            assert await row(connection, "SELECT count(*) FROM pg_prepared_statements") <= (4,)


async def test_a_statement_that_cannot_be_sent_leaves_a_sound_connection(database):
    async with await connected(database) as connection:
        with pytest.raises(psycopg.OperationalError, match="65535"):
            await row(connection, f"SELECT {', '.join(['%s'] * 70_000)}", ["1"] * 70_000, whose=ALICE)
        assert await row(connection, WHO) == (ROLE, "", "")


async def test_a_connection_that_is_out_of_step_is_closed(database):
    async with await connected(database) as connection:
        with pytest.raises((psycopg.NotSupportedError, psycopg.ProgrammingError)):  # as the answer is cut
            await connection.execute("COPY (SELECT 1) TO STDOUT")
        assert connection.closed


@pytest.mark.parametrize("times", range(7))
async def test_what_was_never_prepared_is_not_taken_for_prepared(database, times):
    # psycopg prepares what it has sent five times. Here it sends that, and Postgres never gets to it.
    async with await connected(database) as connection:
        for _ in range(times):
            await row(connection, "SELECT 'wanted'")
        with pytest.raises(psycopg.errors.DivisionByZero):
            await row(connection, "SELECT 'wanted'", whose=Caller(look="SELECT 1 / 0"))
        for _ in range(3):
            assert await row(connection, "SELECT 'wanted'") == ("wanted",)


async def test_callers_who_share_a_connection_take_turns(database):
    async with await connected(database) as connection:
        users = [f"user-{n}" for n in range(20)]
        found = await asyncio.gather(*(row(connection, WHO, whose=Caller(user)) for user in users))
    assert [owner for _, owner, _ in found] == users


async def test_a_caller_whose_statement_never_left_is_forgotten(database):
    async with await connected(database) as connection:
        with suppress(ZeroDivisionError), connection.acting_for(ALICE):
            raise ZeroDivisionError
        assert await row(connection, WHO) == (ROLE, "", "")


async def test_what_the_socket_takes_in_pieces_is_sent_whole(database):
    async with await connected(database) as connection:
        with socket.socket(fileno=os.dup(connection.fileno())) as narrow:
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        async with asyncio.timeout(20):
            assert await row(connection, "SELECT length(%s)", ["x" * 5_000_000]) == (5_000_000,)


async def test_closing_ends_the_statement_under_way(database):
    connection = await connected(database)
    pid = connection.info.backend_pid
    running = asyncio.create_task(row(connection, "SELECT pg_sleep(60)"))
    asleep = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    with administering(database) as admin:
        while not admin.execute(asleep, [pid]).fetchone():
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await connection.close()
            with pytest.raises(psycopg.OperationalError):
                await running
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])


@pytest.mark.parametrize("ticks", range(8))
@pytest.mark.parametrize(
    ("statement", "parameter"),
    [("SELECT pg_sleep(1), %s", ""), ("SELECT length(%s)", "x" * 20_000_000)],
    ids=["waiting", "sending"],
)
async def test_a_cancelled_statement_ends_with_its_connection(database, statement, parameter, ticks):
    async with await connected(database) as connection:
        pid = connection.info.backend_pid
        whose = Caller("alice", locks=[1])
        running = asyncio.create_task(row(connection, statement, [parameter], whose=whose))
        for _ in range(ticks):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert connection.closed or ticks == 0, "nothing was sent before the first tick"
    with administering(database) as admin:
        while admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
            await asyncio.sleep(0)
