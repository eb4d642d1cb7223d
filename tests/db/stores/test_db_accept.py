import asyncio

import pytest

from agentos.db.contracts.runs import RunQuery
from agentos.db.contracts.sessions import SessionQuery
from agentos.db.contracts.transfer import RunLine, SessionLine, written
from agentos.db.stores.session_keys import session_keys
from agentos.errors import (
    AmbiguousSessionError,
    ConflictError,
    InvalidInputError,
    QueueFullError,
    RunLostError,
)
from agentos.run.messages import Message
from agentos.run.owner import ANYONE
from agentos.run.records import Participant, RunStatus
from tests.db.made import UNSTORABLE, a_finished_run, a_memory, a_run, a_session, accepted, finished


async def test_accepting_a_run_makes_its_session(db):
    run = a_run("chat", text="  Hello \n there " + "x" * 100)
    got = await accepted(db, run, session_state={"a": 1}, session_defaults={"a": 0, "b": 2})
    assert (got.run.user_id, got.session_state) == ("alice", {"a": 1, "b": 2})
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


@pytest.mark.parametrize(("owner", "is_hers"), [("alice", True), ("bob", False), (ANYONE, True)])
@pytest.mark.parametrize("rules", [{}, {"multitask": "enqueue"}], ids=["plain", "with rules"])
async def test_a_run_goes_into_a_session_of_ones_own(db, owner, is_hers, rules):
    await a_finished_run(db, "chat", text="hers")
    await accepted(db, a_run("chat"), session_state={"secret": 1})
    before = await db.get_session("chat", owner="alice")
    run = a_run("chat", user_id="bob" if owner == "bob" else "alice")
    got = await accepted(db, run, owner=owner, history_runs=5, **rules)
    assert (got.session_state == {"secret": 1}) == bool(got.history) == is_hers
    assert (await db.get_run(run.run_id, owner=owner)).session_id == "chat"
    if not is_hers:
        assert await db.get_session("chat", owner="alice") == before
        again = await accepted(db, a_run("chat", user_id="bob"), session_state={"mine": 1})
        assert again.session_state == {"mine": 1}
        assert (await db.get_session("chat", owner="bob")).user_id == "bob"
        assert [len(await db.list_runs("chat", owner=user)) for user in ("alice", "bob")] == [2, 2]


@pytest.mark.parametrize("rules", [{}, {"session_state": {"x": 1}}, {"multitask": "enqueue"}], ids=str)
async def test_who_may_see_all_sessions_says_whose_one_is(db, rules):
    for user in ("alice", "bob"):
        await accepted(db, a_run("chat", user_id=user))
    run = a_run("chat", user_id="root")
    with pytest.raises(AmbiguousSessionError, match="user_id="):
        await accepted(db, run, owner=ANYONE, **rules)
    assert await db.get_run(run.run_id, owner=ANYONE) is None
    await accepted(db, a_run("chat", user_id="root"), owner="root")
    assert (await accepted(db, a_run("chat", user_id="root"), owner=ANYONE, **rules)).run.user_id == "root"
    got = await accepted(db, a_run("chat", user_id="bob"), owner="bob", **rules)
    assert got.run.user_id == "bob"


async def test_nobody_takes_an_id_that_is_another_ones_key(db):
    for user in ("alice", "bob"):
        await accepted(db, a_run("chat", user_id=user))
    own = session_keys("chat", user_id="carol")[1]
    await accepted(db, a_run(own, user_id="mallory"))
    assert (await accepted(db, a_run("chat", user_id="carol"))).run.session_id == "chat"
    assert [run.user_id for run in await db.list_runs("chat", owner="carol")] == ["carol"]
    assert [run.user_id for run in await db.list_runs(own, owner="mallory")] == ["mallory"]


async def test_a_queue_counts_the_runs_of_the_user_who_is_meant(db):
    for user in ("alice", "root"):
        await accepted(db, a_run("chat", user_id=user))
    queued = {"background": True, "queue_limit": 9, "user_queue_limit": 1, "owner": ANYONE}
    waiting = a_run("other", user_id="alice", status=RunStatus.PENDING)
    await accepted(db, waiting, **queued | {"owner": "alice"})
    mine = a_run("chat", user_id="root", status=RunStatus.PENDING)
    assert (await accepted(db, mine, **queued)).run.user_id == "root"
    with pytest.raises(QueueFullError):
        await accepted(db, a_run("chat", user_id="root", status=RunStatus.PENDING), **queued)


async def test_two_owners_may_begin_a_session_with_the_same_id_at_once(db):
    users = [f"user-{number}" for number in range(6)]
    await asyncio.gather(*(accepted(db, a_run("chat", user_id=user)) for user in users for _ in range(2)))
    for user in users:
        assert [run.user_id for run in await db.list_runs("chat", owner=user)] == [user] * 2
    assert (await db.list_sessions(SessionQuery(), owner=ANYONE)).total == len(users)


async def test_a_run_in_somebodys_session_is_that_persons(db):
    await accepted(db, a_run("his", user_id="bob"))
    run = a_run("his", user_id="admin")
    assert (await accepted(db, run, owner=ANYONE)).run.user_id == "bob"
    assert (await db.get_run(run.run_id, owner="bob")).user_id == "bob"
    assert await db.get_run(run.run_id, owner="admin") is None


async def test_a_run_for_another_user_is_refused(db):
    with pytest.raises(InvalidInputError) as refusal:
        await accepted(db, a_run(user_id="alice"), owner="bob")
    assert refusal.value.field == "user_id"
    assert (await db.list_sessions(SessionQuery(), owner=ANYONE)).total == 0


@pytest.mark.parametrize("fields", [{"runnable_id": "news"}, {"kind": "team"}], ids=str)
async def test_runnables_share_a_session_but_not_its_history(db, fields):
    await a_finished_run(db, "chat", text="to the first")
    for _ in range(2):
        await a_finished_run(db, "chat", text="to the second", **fields)
    for of, said in (({}, ["to the first"]), (fields, ["to the second"] * 2)):
        history = (await accepted(db, a_run("chat", **of), history_runs=5)).history
        assert [message.content for message in history] == said
    second = Participant(kind=fields.get("kind", "agent"), id=fields.get("runnable_id", "web"))
    session = await db.get_session("chat", owner="alice")
    assert session.participants == [Participant(kind="agent", id="web"), second]
    listed = SessionQuery(kind=second.kind, runnable_id=second.id)
    assert (await db.list_sessions(listed, owner="alice")).rows == [session]
    assert (await db.list_sessions(SessionQuery(runnable_id="other"), owner="alice")).rows == []
    assert [run.kind for run in await db.list_runs("chat", RunQuery(of=second), owner="alice")] == [
        second.kind
    ] * 3


@pytest.mark.parametrize("kind", ["agent", "team"])
async def test_a_session_of_no_runnable_becomes_the_first_ones(db, kind):
    await db.create_session(a_session("empty", runnable_id=None), owner="alice")
    await accepted(db, a_run("empty", kind=kind))
    await accepted(db, a_run("empty", runnable_id="news"))
    session = await db.get_session("empty", owner="alice")
    assert (session.kind, session.runnable_id) == (kind, "web")
    assert session.joined == [Participant(kind="agent", id="news")]


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


async def test_history_follows_the_branch_that_was_taken(db):
    first, second, third = [await a_finished_run(db, text=text) for text in ("1", "2", "3")]
    branch = a_run(messages=[Message(role="user", content="2, but better")])
    got = await accepted(db, branch, history_runs=5, history_before=second.run_id)
    assert [message.content for message in got.history] == ["1"]
    await finished(db, branch)
    history = (await accepted(db, a_run(), history_runs=5)).history
    assert [message.content for message in history] == ["1", "2, but better"]
    assert len((await accepted(db, a_run(), history_runs=1)).history) == 1
    assert {first.status, third.status} == {RunStatus.COMPLETED}


async def test_history_is_the_last_completed_runs_oldest_first(db):
    for number in range(5):
        run = a_run(
            messages=[Message(role="user", content=f"{number}?"), Message(role="assistant", content="!")]
        )
        await accepted(db, run)
        await finished(db, run)
    await accepted(db, above := a_run())
    await a_finished_run(db, parent_run_id=above.run_id, text="nested")
    await finished(db, above, status=RunStatus.ERROR)
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


async def test_a_run_id_that_cannot_be_stored_is_refused_by_name(db):
    for field in ("run_id", "session_id", "runnable_id", "user_id"):
        for bad in UNSTORABLE.values():
            run = a_run().model_copy(update={field: bad})
            with pytest.raises(InvalidInputError) as refusal:
                await accepted(db, run, owner=ANYONE)
            assert refusal.value.field == field


@pytest.mark.parametrize(("user_id", "session_id"), [("bob", "bobs"), ("alice", "another")])
async def test_a_nested_run_of_another_session_is_not_taken_up(db, user_id, session_id):
    """An imported row has the id, and the parent, that its file says."""
    parent = a_run(run_id="parent")
    await accepted(db, parent)
    named = {"run_id": "child", "parent_run_id": "parent", "root_run_id": "parent", "depth": 1}
    forged = a_run(session_id, user_id=user_id, status=RunStatus.COMPLETED, content="forged", **named)
    lines = [
        SessionLine(session=a_session(session_id, user_id=user_id), runs=1, left_out=0),
        RunLine(events=0, run=forged),
    ]

    async def file():
        for line in lines:
            yield written(line)

    await db.import_session(file(), owner=ANYONE)
    with pytest.raises(RunLostError):
        await accepted(db, a_run(**named), owner=ANYONE)
    found = await db.get_run("child", owner=ANYONE)
    assert (found.user_id, found.session_id, found.status) == (user_id, session_id, RunStatus.COMPLETED)
    other = await accepted(db, a_run(**named | {"run_id": "other"}), owner=ANYONE)
    assert (other.is_new, other.run.user_id) == (True, "alice")
    assert not (await accepted(db, a_run(**named | {"run_id": "other"}), owner=ANYONE)).is_new
