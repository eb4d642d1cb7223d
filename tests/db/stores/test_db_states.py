"""The state of a session is stored once, and the states after its runs stay known."""

import asyncio

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.sessions import SessionChange
from agentos.db.postgres import PostgresDb
from agentos.errors import StateTooLargeError
from agentos.run.events import Origin, RunCompleted
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from agentos.run.wire import encode_event
from tests.conftest import administering
from tests.db.made import WAITING, a_run, a_session, accepted, finished


async def states(db, session_id="chat", owner="alice") -> list[dict | None]:
    return [run.session_state for run in await db.list_runs(session_id, owner=owner)]


async def a_change(db, *, put=None, removed=(), **fields):
    run = a_run(**fields)
    await accepted(db, run)
    return await finished(db, run, put=put, removed=removed)


async def test_each_run_says_the_state_after_it(db):
    first = await a_change(db, put={"n": 1, "null": None})
    await a_change(db, put={"n": 2, "new": [1]})
    await a_change(db)
    last = await a_change(db, put={"back": True}, removed=["n", "never", "null"])
    said = [
        {"n": 1, "null": None},
        {"n": 2, "null": None, "new": [1]},
        {"n": 2, "null": None, "new": [1]},
        {"new": [1], "back": True},
    ]
    assert await states(db) == said
    for run, state in ((first, said[0]), (last, said[3])):
        for owner in ("alice", ANYONE):
            assert (await db.get_run(run.run_id, owner=owner)).session_state == state
            assert await db.state_after(run.run_id, owner=owner) == state
        assert await db.state_after(run.run_id, owner="bob") is None
    await accepted(db, live := a_run())
    assert (await db.get_run(live.run_id, owner="alice")).session_state is None


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["run", "request", "patch"]),
        st.dictionaries(
            st.sampled_from("abc"), st.sampled_from([None, 1, {"x": None}, "\ud83d"]), max_size=3
        ),
        st.lists(st.sampled_from("abcd"), max_size=2),
    ),
    max_size=8,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
async def test_states_are_known_whatever_changed_them(db, changes):
    await db.delete_sessions(["chat"], owner="alice")
    await db.create_session(a_session("chat", session_state={"a": 0}), owner="alice")
    expected = []
    for way, put, removed in changes:
        if way == "patch":
            await db.update_session("chat", SessionChange(session_state=put), owner="alice")
            continue
        run = a_run()
        opened = await accepted(db, run, session_state=put if way == "request" else {})
        await finished(db, run, put=put if way == "run" else {}, removed=removed)
        expected.append((await db.get_session("chat", owner="alice")).session_state)
        assert opened.session_state is not None
    assert await states(db) == expected


async def test_runs_that_overlap_say_the_state_at_their_end(db):
    slow, quick = a_run(), a_run()
    for run in (slow, quick):
        await accepted(db, run)
    await finished(db, quick, put={"both": "quick", "quick": 1})
    await finished(db, slow, put={"both": "slow"})
    assert await states(db) == [{"both": "slow", "quick": 1}, {"both": "quick", "quick": 1}]


async def test_a_fork_has_the_state_of_its_last_run(db):
    await a_change(db, put={"n": 1, "gone": 1})
    middle = await a_change(db, put={"n": 2}, removed=["gone"])
    await a_change(db, put={"n": 3, "late": 1})
    part = await db.fork_session("chat", new_session_id="part", through_run_id=middle.run_id, owner="alice")
    assert part.session_state == {"n": 2}
    assert await states(db, "part") == [{"n": 1, "gone": 1}, {"n": 2}]
    whole = await db.fork_session("chat", new_session_id="whole", owner="alice")
    assert whole.session_state == {"n": 3, "late": 1}
    assert await states(db, "whole") == await states(db)
    await a_change(db, put={"n": 9}, session_id="part")
    assert await states(db, "part") == [{"n": 1, "gone": 1}, {"n": 2}, {"n": 9}]


async def test_a_run_that_is_rolled_back_gives_back_what_its_request_replaced(db):
    await a_change(db, put={"mine": 1, "shared": 1})
    undone, other = a_run(), a_run()
    await accepted(db, undone, session_state={"mine": 2, "shared": 2, "new": 2}, worker_id="w")
    await accepted(db, other)
    await finished(db, other, put={"shared": 3})
    await db.cancel_run(undone.run_id, worker_id="w", owner="alice")
    async with await psycopg.AsyncConnection.connect(
        db.url.replace("+psycopg", ""), autocommit=True
    ) as connection:
        await connection.execute("UPDATE ai.agentos_runs SET cancelling = 'rollback' WHERE cancelling <> ''")
    await finished(db, undone, status=RunStatus.CANCELLED, put={"ignored": 1}, worker_id="w")
    assert await db.get_run(undone.run_id, owner=ANYONE) is None
    assert (await db.get_session("chat", owner="alice")).session_state == {"mine": 1, "shared": 3}
    assert await states(db) == [{"mine": 1, "shared": 1}, {"mine": 2, "shared": 3, "new": 2}]


async def test_a_state_is_stored_once(db, database):
    big = {"big": "x" * 500_000, "n": 0, "a": {"long key": 1, "b": [{"d": 1.5, "c": None}]}}
    await db.create_session(a_session("chat", session_state=big), owner="alice")
    for number in range(20):
        run = a_run()
        await accepted(db, run)
        run.session_state, run.status = {**big, "n": number}, RunStatus.COMPLETED
        event = RunCompleted(content="Hi", session_state=run.session_state)
        event.seq, event.origin = 1, Origin(kind="agent", id="web", run_id=run.run_id, session_id="chat")
        line = LoggedEvent(1, *encode_event(event, for_log=True))
        await finished(db, run, put={"n": number}, events=[line])
        (logged,) = await db.read_events(run.run_id, after=0, owner="alice")
        assert logged.text == encode_event(event)[1]
        assert (await db.read_news({run.run_id: 0}, owner="alice"))[run.run_id] == [logged]
    assert [state["n"] for state in await states(db)] == [*range(20)]
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        (characters,) = connection.execute(
            "SELECT (SELECT sum(length(r::text)) FROM ai.agentos_runs AS r)"
            " + (SELECT sum(length(e::text)) FROM ai.agentos_run_events AS e)"
            " + (SELECT sum(length(c::text)) FROM ai.agentos_state_changes AS c)"
        ).fetchone()
    assert characters < 50_000


async def test_a_state_is_read_by_one_statement_however_many_changes_came_after(db):
    first = await a_change(db, put={"n": 0})
    await asyncio.gather(*(a_change(db, put={"n": number}) for number in range(1, 30)))
    assert await db.state_after(first.run_id, owner="alice") == {"n": 0}


async def test_a_state_has_so_many_keys_and_a_change_of_all_costs_little(db):
    def state(value, keys=StateTooLargeError.max_keys):
        return {f"k{number}": value for number in range(keys)}

    await db.create_session(a_session("chat", session_state=state(0)), owner="alice")
    async with asyncio.timeout(20):  # it took ten times as long to look up each key by itself
        for value in range(1, 4):
            await db.update_session("chat", SessionChange(session_state=state(value)), owner="alice")
            run = a_run()
            await accepted(db, run, session_state=state(-value))
            await finished(db, run, put=state(str(value)))
            assert (await db.get_run(run.run_id, owner="alice")).session_state == state(str(value))
    one_more = {"more": 1}
    with pytest.raises(StateTooLargeError):
        await accepted(db, a_run(), session_state=one_more)
    with pytest.raises(StateTooLargeError):
        await db.update_session("chat", SessionChange(session_state=state(0) | one_more), owner="alice")
    with pytest.raises(StateTooLargeError):
        await db.create_session(a_session("new", session_state=state(0) | one_more), owner="alice")
    assert (await accepted(db, a_run(), session_state={"k0": "may change"})).session_state[
        "k0"
    ] == "may change"


async def test_a_session_that_another_process_has_just_made_gives_back_its_own_values(db, database):
    other = PostgresDb(database, pool_size=2)
    await other.start()
    run = a_run()
    with administering(database) as connection, connection.transaction():
        connection.execute(
            "INSERT INTO ai.agentos_sessions (session_id, kind, runnable_id, user_id, session_state) "
            "VALUES ('chat', 'agent', 'web', 'alice', '{\"k\": \"first\"}')"
        )
        accepting = asyncio.create_task(accepted(other, run, session_state={"k": "second"}))
        with administering(database) as looking:
            while not looking.execute(WAITING).fetchone()[0]:
                await asyncio.sleep(0)
    assert (await accepting).session_state == {"k": "second"}
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_runs SET cancelling = 'rollback'")
    await finished(other, run, status=RunStatus.CANCELLED)
    assert (await other.get_session("chat", owner="alice")).session_state == {"k": "first"}
    await other.close()


async def test_for_anyone_runs_of_several_owners_arent_mixed(db):
    for user in ("alice", "bob"):
        await a_change(db, put={"of": user}, user_id=user)
    assert await db.list_runs("chat", owner=ANYONE) == []
    assert await states(db, owner="bob") == [{"of": "bob"}]


async def test_changes_by_hand_between_two_runs_are_kept_once(db, database):
    def journal() -> int:
        with administering(database) as connection:
            return connection.execute("SELECT count(*) FROM ai.agentos_state_changes").fetchone()[0]

    async def patch(value):
        await db.update_session("chat", SessionChange(session_state={"k": value}), owner="alice")

    first = await a_change(db, put={"k": "first"})
    for value in range(20):
        await patch(value)
    assert journal() == 2
    undone = a_run()
    await accepted(db, undone, session_state={"k": "asked"})
    for value in range(20):
        await patch(f"later {value}")
    assert journal() == 4
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_runs SET cancelling = 'rollback' WHERE status = 'RUNNING'")
    await finished(db, undone, status=RunStatus.CANCELLED)
    assert (await db.get_session("chat", owner="alice")).session_state == {"k": "later 19"}
    assert await db.state_after(first.run_id, owner="alice") == {"k": "first"}
