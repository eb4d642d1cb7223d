"""The second wall, with the first one, the conditions of our own statements, taken away."""

import asyncio
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text, true
from sqlalchemy.exc import ProgrammingError

from agentos.db.connection.engine import Reach
from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.memories import MemoryQuery
from agentos.db.contracts.sessions import SessionChange, SessionQuery
from agentos.db.postgres import PostgresDb
from agentos.errors import DatabaseUnavailableError, NotFoundError, QueueFullError, RunLostError
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.db.made import a_memory, a_run, a_session, accepted, finished

TABLES = ["sessions", "runs", "run_events", "memories"]
USERS = ["alice", "bob", "carol"]
EVERYTHING = dict.fromkeys(TABLES, 3)
OWN = dict.fromkeys(TABLES, 1)
NOTHING = dict.fromkeys(TABLES, 0)


class Unfiltered(Reach):
    """Statements without their condition on the owner."""

    def covers(self, table):
        return true()

    async def execute(self, statement, parameters=None, **ahead):
        if parameters is not None:
            parameters = {**parameters, "owner": None, "anyone": True}
        return await self._engine.execute(statement, parameters, owner=self._owner, **ahead)


class Unguarded(PostgresDb):
    """A database from whose own code every condition on the owner was lost."""

    def _reach(self, owner):
        return Unfiltered(self._engine, owner)

    async def sql(self, statement, *, owner=None, **parameters):
        return await self._engine.execute(text(statement), parameters or None, owner=owner)

    async def seen(self, owner=None) -> dict[str, int]:
        """How many rows of each table there are, as far as Postgres tells `owner`."""
        counts = [f"(SELECT count(*) FROM ai.agentos_{table}) AS {table}" for table in TABLES]
        return dict((await self.sql(f"SELECT {', '.join(counts)}", owner=owner))[0])


@pytest.fixture
async def unguarded(database):
    """One connection for everybody, and in each table a row each of alice's, bob's and carol's."""
    db = Unguarded(database, pool_size=1)
    await fill(db)
    yield db
    await db.close()


async def fill(db):
    for user in USERS:
        await accepted(db, a_run(f"{user}-s", user_id=user, run_id=f"{user}-r"))
        await db.append_events({f"{user}-r": [LoggedEvent(seq=1, name="e", text="{}")]}, owner=user)
        await db.create_memory(a_memory(f"{user}-m", user_id=user, topics=[user]), owner=user)


@contextmanager
def connected(database):
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


LINE = LoggedEvent(seq=2, name="e", text="{}")
CALLS = {
    "get_session": lambda db, owner: db.get_session("alice-s", owner=owner),
    "update_session": lambda db, owner: db.update_session(
        "alice-s", SessionChange(session_name="x"), owner=owner
    ),
    "delete_sessions": lambda db, owner: db.delete_sessions(["alice-s"], owner=owner),
    "get_run": lambda db, owner: db.get_run("alice-r", owner=owner),
    "list_runs": lambda db, owner: db.list_runs("alice-s", owner=owner),
    "read_events": lambda db, owner: db.read_events("alice-r", after=0, owner=owner),
    "last_seq": lambda db, owner: db.last_seq("alice-r", owner=owner),
    "append_events": lambda db, owner: db.append_events({"alice-r": [LINE]}, owner=owner),
    "cancel_run": lambda db, owner: db.cancel_run("alice-r", worker_id="x", owner=owner),
    "get_memory": lambda db, owner: db.get_memory("alice-m", owner=owner),
    "update_memory": lambda db, owner: db.update_memory("alice-m", memory="x", topics=[], owner=owner),
    "delete_memories": lambda db, owner: db.delete_memories(["alice-m"], owner=owner),
}
PAGES = {
    "list_sessions": lambda db, owner: db.list_sessions(SessionQuery(), owner=owner),
    "list_memories": lambda db, owner: db.list_memories(MemoryQuery(), owner=owner),
    "memory_stats": lambda db, owner: db.memory_stats(owner=owner),
}
REFUSED = {
    "finish_run": lambda db, owner: finished(db, a_run("alice-s", run_id="alice-r"), owner=owner),
}


def everything(database):
    with connected(database) as admin:
        return [admin.execute(f"SELECT * FROM ai.agentos_{table} ORDER BY 1").fetchall() for table in TABLES]


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_that_forgets_the_owner_still_finds_no_row_of_anothers(unguarded, database, call):
    before = everything(database)
    assert not await CALLS[call](unguarded, "bob")
    assert everything(database) == before
    assert await CALLS[call](unguarded, "alice")


@pytest.mark.parametrize("call", CALLS)
async def test_anyone_is_everyone(unguarded, call):
    assert await CALLS[call](unguarded, ANYONE)


@pytest.mark.parametrize("call", PAGES)
async def test_a_page_that_forgets_the_owner_still_counts_only_ones_own(unguarded, call):
    page = await PAGES[call](unguarded, "bob")
    assert ([row.user_id for row in page.rows], page.total) == (["bob"], 1)
    page = await PAGES[call](unguarded, ANYONE)
    assert ({row.user_id for row in page.rows}, page.total) == (set(USERS), 3)
    assert await unguarded.memory_topics(owner="bob") == ["bob"]
    assert await unguarded.memory_topics(owner=ANYONE) == USERS


async def test_a_nested_run_that_forgets_the_owner_still_is_in_no_run_of_anothers(unguarded, database):
    before = everything(database)
    nested = a_run("alice-s", run_id="c", parent_run_id="alice-r")
    with pytest.raises(RunLostError):
        await accepted(unguarded, nested, owner="bob")
    assert everything(database) == before
    await accepted(unguarded, nested, owner="alice")
    assert await unguarded.list_runs("alice-s", owner="bob", nested=True) == []
    seen = await unguarded.list_runs("alice-s", owner="alice", nested=True)
    for owner, below in ("bob", []), ("alice", ["c"]), (ANYONE, ["c"]):
        found = await unguarded.list_nested("alice-r", owner=owner)
        assert [run.run_id for run in found.runs] == below
    assert [run.run_id for run in seen] == ["alice-r", "c"]


@pytest.mark.parametrize("call", REFUSED)
async def test_a_write_that_forgets_the_owner_still_changes_nothing_of_anothers(unguarded, database, call):
    before = everything(database)
    with pytest.raises(NotFoundError):
        await REFUSED[call](unguarded, "bob")
    assert everything(database) == before
    await REFUSED[call](unguarded, "alice")
    assert everything(database) != before


async def test_a_run_that_forgets_the_owner_still_gets_into_no_session_of_anothers(unguarded, database):
    before = everything(database)
    with pytest.raises(ProgrammingError, match="row-level security"):
        await accepted(unguarded, a_run("alice-s", user_id="bob"))
    assert everything(database) == before
    assert (await accepted(unguarded, a_run("alice-s"))).run.user_id == "alice"
    assert (await accepted(unguarded, a_run("alice-s", user_id=None), owner=ANYONE)).run.user_id == "alice"


async def test_rules_that_forget_the_owner_still_hold_for_ones_own_rows_only(unguarded, database):
    asked = {"background": True, "queue_limit": 9, "idempotency_key": "k", "multitask": "interrupt"}
    await accepted(unguarded, a_run("alice-s"), **asked)
    before = everything(database)
    with pytest.raises(ProgrammingError, match="row-level security"):
        await accepted(unguarded, a_run("alice-s", user_id="bob"), **asked)
    with pytest.raises(QueueFullError):
        await accepted(unguarded, a_run("bob-s", user_id="bob"), **asked | {"queue_limit": 1})
    assert everything(database) == before
    assert (await accepted(unguarded, a_run("bob-s", user_id="bob"), **asked)).is_new


async def test_news_and_continuing_that_forget_the_owner_still_are_for_ones_own_runs(unguarded, database):
    run = await unguarded.get_run("alice-r", owner="alice")
    await finished(unguarded, run, status=RunStatus.PAUSED)
    before = everything(database)
    with pytest.raises(NotFoundError):
        await unguarded.reopen_run(run, {}, worker_id="x", owner="bob")
    assert everything(database) == before
    ids = {f"{user}-r": 0 for user in USERS}
    for owner in ("alice", "bob", ANYONE):
        news = await unguarded.read_news(ids, owner=owner)
        assert [run_id for run_id in news if news[run_id]] == ([f"{owner}-r"] if owner in USERS else [*ids])
    assert await unguarded.reopen_run(run, {}, worker_id="x", owner="alice") == 1


async def test_each_transaction_sees_its_own_callers_rows_whoever_had_the_connection_before(unguarded):
    for owner, seen in [
        ("alice", OWN),
        (ANYONE, EVERYTHING),
        ("dave", NOTHING),
        ("bob", OWN),
        (None, NOTHING),
    ]:
        assert await unguarded.seen(owner) == seen
        with pytest.raises(ProgrammingError):
            await unguarded.sql("SELECT nonsense", owner=owner)
        assert await unguarded.seen() == NOTHING


async def test_a_user_without_a_name_is_nobody(unguarded, database):
    with connected(database) as admin:
        admin.execute("INSERT INTO ai.agentos_sessions (session_id, kind, user_id) VALUES ('s', 'agent', '')")
    for owner in (None, "", "alice\0"):
        assert await unguarded.seen(owner) == NOTHING
    assert await unguarded.seen(ANYONE) == EVERYTHING | {"sessions": 4}


async def test_nothing_of_a_call_that_was_given_up_is_left_behind(database):
    db = Unguarded(database, pool_size=1, query_timeout=0.3)
    with pytest.raises(DatabaseUnavailableError):
        await db.sql("SELECT pg_sleep(10)", owner=ANYONE)
    call = asyncio.create_task(db.sql("SELECT pg_sleep(10)", owner=ANYONE))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await fill(db)
    assert await db.seen() == NOTHING
    await db.close()


async def test_callers_at_the_same_time_see_each_their_own(database):
    db = Unguarded(database, pool_size=5)
    await fill(db)
    owners = [*USERS, "dave", ANYONE, None] * 10
    seen = await asyncio.gather(*(db.seen(owner) for owner in owners))
    assert seen == [*[OWN] * 3, NOTHING, EVERYTHING, NOTHING] * 10
    await db.close()


CHANGE = {"sessions": "title", "runs": "parent_run_id", "run_events": "name", "memories": "memory"}
VERBS = {
    "UPDATE": "UPDATE ai.agentos_{table} SET {column} = 'x' RETURNING *",
    "DELETE": "DELETE FROM ai.agentos_{table} RETURNING *",
    "CTE": "WITH changed AS (UPDATE ai.agentos_{table} SET {column} = 'x' RETURNING *) SELECT * FROM changed",
    "FOR UPDATE": "SELECT * FROM ai.agentos_{table} FOR UPDATE",
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("table", TABLES)
async def test_every_verb_reaches_only_the_callers_rows(unguarded, verb, table):
    statement = VERBS[verb].format(table=table, column=CHANGE[table])
    for owner, count in [(None, 0), ("dave", 0), ("bob", 1), (ANYONE, 2 if verb == "DELETE" else 3)]:
        assert len(await unguarded.sql(statement, owner=owner)) == count


INSERTS = {
    "sessions": "INSERT INTO ai.agentos_sessions (session_id, kind, user_id) VALUES (:id, 'agent', :user)",
    "runs": (
        "INSERT INTO ai.agentos_runs"
        " (run_id, session_id, kind, runnable_id, user_id, status, created_at, messages, details)"
        " VALUES (:id, :user || '-s', 'agent', 'web', :user, 'RUNNING', 0, '[]', '{}')"
    ),
    "run_events": "INSERT INTO ai.agentos_run_events VALUES (:user || '-r', 2, :id, '{}')",
    "memories": "INSERT INTO ai.agentos_memories (memory_id, memory, user_id) VALUES (:id, 'x', :user)",
}


@pytest.mark.parametrize("table", TABLES)
async def test_nobody_can_add_a_row_in_anothers_name(unguarded, table):
    insert = f"{INSERTS[table]} RETURNING 1"
    for owner in ("bob", None):
        with pytest.raises(ProgrammingError) as refusal:
            await unguarded.sql(insert, owner=owner, id="new", user="alice")
        assert isinstance(refusal.value.orig, InsufficientPrivilege)
    assert await unguarded.seen(ANYONE) == EVERYTHING
    assert await unguarded.sql(insert, owner="alice", id="new", user="alice")
    assert await unguarded.seen(ANYONE) == EVERYTHING | {table: 4}


@pytest.mark.parametrize("table", ["sessions", "runs", "memories"])
async def test_nobody_can_give_a_row_away_or_overwrite_anothers(unguarded, table):
    key, own = {"sessions": "session_id", "runs": "run_id", "memories": "memory_id"}[table], table[0]
    give = f"UPDATE ai.agentos_{table} SET user_id = 'bob' WHERE {key} = 'alice-{own}' RETURNING 1"
    take = f"{INSERTS[table]} ON CONFLICT ({key}) DO UPDATE SET user_id = 'bob' RETURNING 1"
    with pytest.raises(ProgrammingError, match="row-level security"):
        await unguarded.sql(give, owner="alice")
    with pytest.raises(ProgrammingError, match="row-level security"):
        await unguarded.sql(take, owner="bob", id=f"alice-{own}", user="bob")
    assert await unguarded.seen("alice") == OWN
    assert await unguarded.sql(take, owner="bob", id=f"bob-{own}", user="bob")
    assert await unguarded.sql(give, owner=ANYONE)


@pytest.mark.parametrize(
    "owner",
    [
        "",
        "on",
        "anyone",
        "al",
        "alice ",
        "Alice",
        "alice' OR 'a'='a",
        "alice\0",
        "al\ud800ice",
        "%s",
        "$1",
        "é€😀",
    ],
)
async def test_an_owner_is_never_more_than_a_name(unguarded, owner):
    assert await unguarded.seen(owner) == NOTHING
    if owner and owner.isprintable():
        await unguarded.create_memory(a_memory("own", user_id=owner), owner=owner)
        assert await unguarded.seen(owner) == NOTHING | {"memories": 1}
    assert await unguarded.seen("alice") == OWN


async def test_a_row_of_nobodys_is_for_anyone_only(unguarded):
    await unguarded.create_session(a_session("nobodys", user_id=None), owner=ANYONE)
    assert [await unguarded.get_session("nobodys", owner=owner) for owner in ("alice", "")] == [None, None]
    assert await unguarded.get_session("nobodys", owner=ANYONE)


async def test_deleting_a_session_takes_its_runs_and_events_along(unguarded):
    assert await unguarded.delete_sessions(["alice-s", "bob-s"], owner="alice") == 1
    assert await unguarded.seen("alice") == NOTHING | {"memories": 1}
    assert await unguarded.seen("bob") == OWN


async def test_every_table_whose_rows_have_an_owner_has_a_policy(database):
    with connected(database) as admin:
        tables = admin.execute(
            "SELECT relname, relrowsecurity, EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)"
            " FROM pg_class AS c WHERE relnamespace = 'ai'::regnamespace AND relkind = 'r'"
            " AND EXISTS"
            " (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname IN ('user_id', 'run_id'))"
        ).fetchall()
    assert len(tables) >= len(TABLES)
    assert [table for table in tables if table[1:] != (True, True)] == []
