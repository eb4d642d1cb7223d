import asyncio
from uuid import uuid4

import psycopg
import pytest

from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.runs import RunQuery, StateChange
from agentos.db.contracts.sessions import SessionQuery
from agentos.db.postgres import PostgresDb
from agentos.errors import NotFoundError
from agentos.run.messages import Message, Metrics, ToolExecution
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.db.made import UNSTORABLE, WAITING, a_finished_run, a_run, accepted, finished
from tests.db.wire import counting


async def test_a_finished_run_comes_back_as_it_was(db):
    run = a_run(metadata={"k": [1]}, model="gpt", runnable_name="Web")
    await accepted(db, run)
    run.content = {"z": 1e22, "a": 1}
    run.content_type = "Answer"
    run.messages = [Message(role="user", content="Hello"), Message(role="assistant", content="Hi")]
    run.tools = [
        ToolExecution(tool_call_id="1", tool_name="look", tool_args={"z": 1, "a": None}, result="ok")
    ]
    run.metrics = Metrics(input_tokens=1, time_to_first_token=0.1, duration=0.5)
    await finished(db, run, put={"s": 1})
    run.session_state = {"s": 1}
    stored = await db.get_run(run.run_id, owner="alice")
    assert stored == run
    assert list(stored.content) == ["z", "a"]
    assert list(stored.tools[0].tool_args) == ["z", "a"]


@pytest.mark.parametrize(("owner", "may"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_run_is_seen_and_finished_by_its_owner_only(db, owner, may):
    run = a_run()
    await accepted(db, run)
    assert (await db.get_run(run.run_id, owner=owner) is not None) == may
    assert len(await db.list_runs("chat", owner=owner)) == may
    run.metrics = Metrics(input_tokens=1)
    if may:
        await finished(db, run, owner=owner, put={"k": 1})
    else:
        with pytest.raises(NotFoundError, match="Run"):
            await finished(db, run, owner=owner, put={"k": 1})
    session = await db.get_session("chat", owner="alice")
    assert (session.session_state, session.metrics.input_tokens) == (({"k": 1}, 1) if may else ({}, 0))


async def test_finishing_changes_the_sessions_state_by_key(db):
    run = a_run()
    await accepted(db, run, session_state={"a": 1, "b": 2, "c": 3})
    await finished(db, run, put={"b": {"n": None}, "d": 4, "c": 5}, removed=["a", "c", "never"])
    assert (await db.get_session("chat", owner="alice")).session_state == {"b": {"n": None}, "c": 5, "d": 4}


async def test_sums_are_those_of_all_runs(db):
    first = Metrics(input_tokens=1, output_tokens=2, total_tokens=3, time_to_first_token=0.25, duration=0.5)
    second = Metrics(input_tokens=10, cache_read_tokens=7, time_to_first_token=9.0, duration=0.25)
    for metrics in (None, first, second):
        run = a_run()
        await accepted(db, run)
        run.metrics = metrics
        await finished(db, run)
    assert (await db.get_session("chat", owner="alice")).metrics == first + second


async def test_a_run_ends_once(db):
    run = a_run()
    await accepted(db, run)
    run.metrics = Metrics(input_tokens=1)
    await finished(db, run, status=RunStatus.CANCELLED, put={"k": "first"})
    run.metrics = Metrics(input_tokens=1)
    await finished(db, run, status=RunStatus.COMPLETED, put={"k": "second"})
    assert (await db.get_run(run.run_id, owner="alice")).status == RunStatus.CANCELLED
    session = await db.get_session("chat", owner="alice")
    assert (session.session_state, session.metrics.input_tokens) == ({"k": "first"}, 1)


async def test_finishing_a_deleted_run_is_not_found(db):
    run = a_run()
    await accepted(db, run)
    await db.delete_sessions(["chat"], owner="alice")
    with pytest.raises(NotFoundError, match="Run"):
        await finished(db, run)


async def test_runs_that_end_at_once_do_not_lose_each_others_state(db):
    runs = [a_run() for _ in range(20)]
    await asyncio.gather(*(accepted(db, run, session_state={f"in{run.run_id}": 1}) for run in runs))
    for run in runs:
        run.metrics = Metrics(input_tokens=1, duration=0.5)
    removed = [f"in{run.run_id}" for run in runs]
    ends = zip(runs, removed, strict=True)
    await asyncio.gather(*(finished(db, run, put={run.run_id: 1}, removed=[key]) for run, key in ends))
    session = await db.get_session("chat", owner="alice")
    assert session.session_state == {run.run_id: 1 for run in runs}
    assert (session.metrics.input_tokens, session.metrics.duration) == (20, 10.0)
    assert (await db.list_sessions(SessionQuery(), owner="alice")).total == 1


async def test_of_two_ends_of_one_run_only_one_counts(db):
    for _ in range(10):
        run = a_run(uuid4().hex)
        await accepted(db, run)
        run.metrics = Metrics(input_tokens=1)
        one, two = run.model_copy(), run.model_copy()
        await asyncio.gather(
            finished(db, one, status=RunStatus.COMPLETED, put={"one": 1}),
            finished(db, two, status=RunStatus.CANCELLED, put={"two": 1}),
        )
        session = await db.get_session(run.session_id, owner="alice")
        ended = (await db.get_run(run.run_id, owner="alice")).status
        assert session.session_state == ({"one": 1} if ended == RunStatus.COMPLETED else {"two": 1})
        assert session.metrics.input_tokens == 1


async def test_ending_waits_for_the_session_before_it_takes_the_run(db, database):
    run = a_run()
    await accepted(db, run)
    with psycopg.connect(database.replace("+psycopg", "")) as deleting:
        deleting.execute("SELECT FROM ai.agentos_sessions FOR UPDATE")
        ending = asyncio.create_task(finished(db, run))
        while deleting.execute(WAITING).fetchone() == (0,):
            await asyncio.sleep(0)
        deleting.execute("SELECT FROM ai.agentos_runs FOR UPDATE NOWAIT")
    await ending
    assert (await db.get_run(run.run_id, owner="alice")).status == RunStatus.COMPLETED


async def test_ending_and_deleting_at_once_both_come_to_an_end(db):
    for _ in range(10):
        runs = [a_run() for _ in range(3)]
        for run in runs:
            await accepted(db, run)
        deletion = db.delete_sessions(["chat"], owner="alice")
        ends = [finished(db, run) for run in runs]
        outcomes = await asyncio.gather(*ends, deletion, return_exceptions=True)
        assert outcomes[-1] == 1
        assert all(
            isinstance(outcome, NotFoundError) for outcome in outcomes if isinstance(outcome, Exception)
        )
        assert await db.list_runs("chat", owner="alice") == []


async def test_a_sessions_runs_are_listed_oldest_first_by_status_and_time(db):
    for number in range(4):
        run = a_run(run_id=f"r{number}", created_at=1000 + number)
        await accepted(db, run)
        if number % 2:
            await finished(db, run)
    cases = [
        ({}, ["r0", "r1", "r2", "r3"]),
        ({"statuses": [RunStatus.COMPLETED]}, ["r1", "r3"]),
        ({"statuses": [RunStatus.COMPLETED, RunStatus.RUNNING], "created_after": 1001}, ["r1", "r2", "r3"]),
        ({"created_after": 1001, "created_before": 1002}, ["r1", "r2"]),
        ({"created_after": 10**30}, []),
        ({"created_before": -(10**30)}, []),
    ]
    for asked, ids in cases:
        assert [run.run_id for run in await db.list_runs("chat", RunQuery(**asked), owner="alice")] == ids
    for absent in ("other", *UNSTORABLE.values()):
        assert await db.list_runs(absent, owner=ANYONE) == []


async def test_a_run_is_looked_up_within_its_session(db):
    run = await a_finished_run(db, "chat")
    assert await db.get_run(run.run_id, owner="alice", session_id="chat") is not None
    assert await db.get_run(run.run_id, owner="alice", session_id="other") is None
    for absent in ("other", *UNSTORABLE.values()):
        assert await db.get_run(absent, owner="alice") is None
        assert await db.get_run(run.run_id, owner=ANYONE, session_id=absent) is None


async def test_a_run_is_stored_whatever_the_model_said(db):
    nasty = "a\0b\ud800c\\u0000"
    cyclic: dict[str, object] = {"n": float("nan"), "b": b"\xff", "o": object()}
    cyclic["self"] = cyclic
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    run = a_run(text=nasty)
    await accepted(db, run, session_state={nasty: nasty}, session_defaults={"d": nasty})
    run.messages = [Message(role="assistant", content=nasty, tool_args={nasty: [nasty]})]
    run.tools = [ToolExecution(tool_call_id=nasty, tool_name=nasty, result=nasty)]
    run.content = cyclic
    await finished(db, run, put={nasty: cyclic, "deep": deep}, removed=[nasty, "d"])
    stored = await db.get_run(run.run_id, owner="alice")
    mended = "a\ufffdb\ufffdc\\u0000"
    assert stored.status == RunStatus.COMPLETED
    assert stored.messages[0].content == mended
    assert stored.messages[0].tool_args == {mended: [mended]}
    assert (stored.content["n"], stored.content["b"], stored.content["self"]) == (None, "/w==", "\ufffd")
    session = await db.get_session("chat", owner="alice")
    assert session.title == mended
    assert set(session.session_state) == {mended, "deep"}


async def test_accepting_and_finishing_are_one_round_trip_each(db, database):
    async with counting(database) as wire:
        there = PostgresDb(wire.url)
        await a_finished_run(there)
        for _ in range(3):
            before = wire.round_trips
            run = a_run()
            await accepted(there, run, history_runs=3, memories=True, session_state={"a": 1})
            assert wire.round_trips - before == 1
            await there.append_events({run.run_id: [LoggedEvent(1, "e", "{}")]}, owner="alice")
            assert wire.round_trips - before == 2
            await there.finish_run(run, StateChange(put={"b": 1}), owner="alice")
            assert wire.round_trips - before == 3
            await there.list_sessions(SessionQuery(), owner="alice")
            assert wire.round_trips - before == 4
            rules = {"background": True, "multitask": "interrupt", "queue_limit": 9}
            await accepted(there, a_run(), idempotency_key=run.run_id, **rules)
            assert wire.round_trips - before == 5
        await there.close()


async def test_a_list_without_messages_leaves_them_unread(db, database):
    run = await a_finished_run(db, "chat")
    url = database.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE ai.agentos_runs RENAME COLUMN messages TO hidden")
    (found,) = await db.list_runs("chat", owner="alice", messages=False)
    assert (found.run_id, found.input, found.messages) == (run.run_id, run.input, [])


async def below(db, run_id, owner="alice", **limits):
    found = await db.list_nested(run_id, owner=owner, **limits)
    return [run.run_id for run in found.runs], found.left_out


async def a_tree(db):
    """A root with two runs below it, of which the first has one, and another root of the same session."""
    runs = [a_run(run_id="r"), a_run(run_id="x")]
    for run_id, parent, depth in ("a", "r", 1), ("b", "r", 1), ("aa", "a", 2):
        runs.append(a_run(run_id=run_id, parent_run_id=parent, root_run_id="r", depth=depth))
    for run in runs:
        await accepted(db, run)
    for run in reversed(runs):
        await finished(db, run)


@pytest.mark.parametrize(
    ("run_id", "found"),
    [
        ("r", ["a", "b", "aa"]),
        ("a", ["aa"]),
        ("aa", []),
        ("x", []),
        ("nobody", []),
        *((odd, []) for odd in UNSTORABLE.values()),
    ],
)
async def test_the_runs_below_a_run_are_found_at_any_level(db, run_id, found):
    await a_tree(db)
    assert await below(db, run_id) == (found, 0)
    assert await below(db, run_id, owner="bob") == ([], 0)
    assert await below(db, run_id, owner=ANYONE) == (found, 0)


async def test_the_runs_below_a_run_are_as_they_were_stored(db):
    await a_tree(db)
    for run in (await db.list_nested("r", owner="alice")).runs:
        assert run == await db.get_run(run.run_id, owner="alice")
        assert run.messages


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"limit": 2}, (["a", "b"], 1)),
        ({"limit": 3}, (["a", "b", "aa"], 0)),
        ({"max_bytes": 1}, (["a"], 2)),
        ({"max_bytes": 10**6}, (["a", "b", "aa"], 0)),
    ],
)
async def test_more_runs_below_a_run_are_counted_and_not_read(db, limits, found):
    await a_tree(db)
    assert await below(db, "r", **limits) == found
