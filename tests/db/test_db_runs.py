import asyncio
from uuid import uuid4

import psycopg
import pytest

from agentos.db.base import LoggedEvent, RunRequest, SessionQuery, StateChange
from agentos.db.postgres import PostgresDb
from agentos.errors import ConflictError, InvalidInputError, NotFoundError
from agentos.run.messages import Message, Metrics, ToolExecution
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.db.made import UNSTORABLE, a_finished_run, a_memory, a_run, a_session, accepted, finished
from tests.db.wire import counting


async def test_accepting_a_run_makes_its_session(db):
    run = a_run("chat", text="  Hello \n there " + "x" * 100)
    got = await accepted(db, run, session_state={"a": 1}, session_defaults={"a": 0, "b": 2})
    assert (got.user_id, got.session_state) == ("alice", {"a": 1, "b": 2})
    assert (got.history, got.memories) == ([], [])
    session = await db.get_session("chat", owner="alice")
    assert (session.kind, session.runnable_id, session.session_state) == ("agent", "web", {"a": 1, "b": 2})
    assert session.title == "Hello there " + "x" * 68
    assert await db.get_run(run.run_id, owner="alice") == run


async def test_a_second_run_keeps_the_sessions_title_and_time(db):
    await accepted(db, a_run("chat", text="First"))
    before = await db.get_session("chat", owner="alice")
    await accepted(db, a_run("chat", text="Second"))
    after = await db.get_session("chat", owner="alice")
    assert (after.title, after.created_at) == ("First", before.created_at)
    assert after.updated_at > before.updated_at


async def test_state_goes_over_what_is_stored_and_defaults_under_it(db):
    await accepted(db, a_run(), session_state={"stored": 1, "both": 1})
    got = await accepted(
        db, a_run(), session_state={"both": 2, "none": None}, session_defaults={"stored": 9, "new": 9}
    )
    assert got.session_state == {"stored": 1, "both": 2, "none": None, "new": 9}
    assert (await accepted(db, a_run(), session_defaults={"new": 0})).session_state == got.session_state
    assert (await accepted(db, a_run())).session_state == got.session_state


@pytest.mark.parametrize(("owner", "may"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_run_goes_into_a_session_of_ones_own_only(db, owner, may):
    await accepted(db, a_run("hers"), session_state={"secret": 1})
    before = await db.get_session("hers", owner="alice")
    run = a_run("hers", user_id="bob" if owner == "bob" else "alice")
    if may:
        assert (await accepted(db, run, owner=owner)).session_state == {"secret": 1}
        return
    with pytest.raises(NotFoundError, match="Session"):
        await accepted(db, run, owner=owner, session_state={"mine": 1}, history_runs=5)
    assert await db.get_run(run.run_id, owner=ANYONE) is None
    assert await db.get_session("hers", owner="alice") == before


async def test_a_run_in_somebodys_session_is_that_persons(db):
    await accepted(db, a_run("his", user_id="bob"))
    run = a_run("his", user_id="admin")
    assert (await accepted(db, run, owner=ANYONE)).user_id == "bob"
    assert (await db.get_run(run.run_id, owner="bob")).user_id == "bob"
    assert await db.get_run(run.run_id, owner="admin") is None


async def test_a_run_for_another_user_is_refused(db):
    with pytest.raises(InvalidInputError) as refusal:
        await accepted(db, a_run(user_id="alice"), owner="bob")
    assert refusal.value.field == "user_id"
    assert (await db.list_sessions(SessionQuery(), owner=ANYONE)).total == 0


@pytest.mark.parametrize(
    ("fields", "may"),
    [({}, True), ({"runnable_id": "news"}, False), ({"kind": "team"}, False)],
)
async def test_a_session_belongs_to_one_runnable(db, fields, may):
    await accepted(db, a_run("chat"))
    run = a_run("chat", **fields)
    if may:
        await accepted(db, run)
    else:
        with pytest.raises(NotFoundError, match="Session"):
            await accepted(db, run, owner=ANYONE)
    assert (await db.get_run(run.run_id, owner="alice") is not None) == may


async def test_a_session_of_no_runnable_becomes_the_first_ones(db):
    await db.create_session(a_session("empty", runnable_id=None), owner="alice")
    await accepted(db, a_run("empty"))
    assert (await db.get_session("empty", owner="alice")).runnable_id == "web"
    with pytest.raises(NotFoundError):
        await accepted(db, a_run("empty", runnable_id="news"))


async def test_a_taken_run_id_conflicts_and_changes_nothing(db):
    run = a_run("chat")
    await accepted(db, run)
    before = await db.get_session("chat", owner="alice")
    for session_id, user in (("chat", "alice"), ("other", "bob")):
        again = a_run(session_id, user_id=user, run_id=run.run_id)
        with pytest.raises(ConflictError):
            await accepted(db, again, session_state={"x": 1})
    assert await db.get_session("chat", owner="alice") == before
    assert await db.get_session("other", owner=ANYONE) is None


async def test_history_is_the_last_completed_runs_oldest_first(db):
    for number in range(5):
        run = a_run(
            messages=[Message(role="user", content=f"{number}?"), Message(role="assistant", content="!")]
        )
        await accepted(db, run)
        await finished(db, run)
    await a_finished_run(db, parent_run_id="above", text="nested")
    await a_finished_run(db, "elsewhere", text="another session")
    for status in (RunStatus.ERROR, RunStatus.CANCELLED, RunStatus.RUNNING):
        failed = a_run(text=status)
        await accepted(db, failed)
        await finished(db, failed, status=status)
    history = (await accepted(db, a_run(), history_runs=2)).history
    assert [message.content for message in history] == ["3?", "!", "4?", "!"]
    assert all(message.from_history for message in history)
    for runs, messages in ((0, 0), (-1, 0), (100, 10), (10**30, 10)):
        assert len((await accepted(db, a_run(), history_runs=runs)).history) == messages


async def test_messages_of_earlier_runs_are_not_stored_again(db):
    old, new = Message(role="user", content="old", from_history=True), Message(role="user", content="new")
    run = a_run(messages=[old, new])
    await accepted(db, run)
    await finished(db, run)
    assert (await db.get_run(run.run_id, owner="alice")).messages == [new]


async def test_memories_are_the_users_newest(db):
    for number in range(60):
        await db.create_memory(a_memory(f"m{number}", minutes=number), owner="alice")
    await db.create_memory(a_memory("his", user_id="bob", minutes=99), owner="bob")
    asked = await accepted(db, a_run(), memories=True)
    assert [memory.memory_id for memory in asked.memories] == [f"m{number}" for number in range(59, 9, -1)]
    assert asked.memories[0] == await db.get_memory("m59", owner="alice")
    assert (await accepted(db, a_run())).memories == []
    assert (await accepted(db, a_run("stray", user_id=None), owner=ANYONE, memories=True)).memories == []


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
    run.session_state = {"s": 1}
    await finished(db, run)
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
        while deleting.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
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
        ({"statuses": [RunStatus.COMPLETED, RunStatus.PENDING], "created_after": 1001}, ["r1", "r2", "r3"]),
        ({"created_after": 1001, "created_before": 1002}, ["r1", "r2"]),
        ({"created_after": 10**30}, []),
        ({"created_before": -(10**30)}, []),
    ]
    for asked, ids in cases:
        assert [run.run_id for run in await db.list_runs("chat", owner="alice", **asked)] == ids
    for absent in ("other", *UNSTORABLE.values()):
        assert await db.list_runs(absent, owner=ANYONE) == []


async def test_a_run_is_looked_up_within_its_session(db):
    run = await a_finished_run(db, "chat")
    assert await db.get_run(run.run_id, owner="alice", session_id="chat") is not None
    assert await db.get_run(run.run_id, owner="alice", session_id="other") is None
    for absent in ("other", *UNSTORABLE.values()):
        assert await db.get_run(absent, owner="alice") is None
        assert await db.get_run(run.run_id, owner=ANYONE, session_id=absent) is None


async def test_a_run_id_that_cannot_be_stored_is_refused_by_name(db):
    for field in ("run_id", "session_id", "runnable_id", "user_id", "parent_run_id"):
        for bad in UNSTORABLE.values():
            run = a_run().model_copy(update={field: bad})
            with pytest.raises(InvalidInputError) as refusal:
                await accepted(db, run, owner=ANYONE)
            assert refusal.value.field == field


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
            request = RunRequest(run=run, history_runs=3, memories=True, session_state={"a": 1})
            await there.accept_run(request, owner="alice")
            assert wire.round_trips - before == 1
            await there.append_events(run.run_id, [LoggedEvent(1, "e", "{}")], owner="alice")
            assert wire.round_trips - before == 2
            await there.finish_run(run, StateChange(put={"b": 1}), owner="alice")
            assert wire.round_trips - before == 3
            await there.list_sessions(SessionQuery(), owner="alice")
            assert wire.round_trips - before == 4
        await there.close()
