"""Requests that have rules: turns in a session, the queue, a request that comes twice."""

import asyncio
from collections import Counter

import pytest

from agentos.db.contracts.runs import RunReads
from agentos.db.contracts.sessions import SessionQuery
from agentos.db.contracts.workers import Limits
from agentos.errors import IdempotencyConflictError, QueueFullError, SessionBusyError
from agentos.run.messages import Message
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.db.made import a_finished_run, a_run, a_session, accepted, finished

ROUNDS = 20


async def together(*calls):
    """The outcomes of calls made at once, errors by their class."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return [type(outcome) if isinstance(outcome, Exception) else outcome for outcome in outcomes]


async def queued(db, run=None, **asked):
    run = run or a_run(status=RunStatus.PENDING)
    return await accepted(db, run, **{"background": True} | asked)


async def claimed(db, worker_id="worker", **limits):
    runs = await db.claim_runs(worker_id, runnables=[("agent", "web")], limits=Limits(**limits), most=100)
    return [run.run_id for run in runs]


async def test_of_several_that_refuse_to_wait_one_is_accepted(pair):
    for number in range(ROUNDS):
        runs = [a_run(f"s{number}") for _ in range(6)]
        calls = [
            accepted(pair[place % 2], run, multitask="reject", session_state={run.run_id: 1})
            for place, run in enumerate(runs)
        ]
        outcomes = await together(*calls)
        assert outcomes.count(SessionBusyError) == 5
        (stored,) = await pair[0].list_runs(f"s{number}", owner="alice")
        session = await pair[0].get_session(f"s{number}", owner="alice")
        assert session.session_state == {stored.run_id: 1}


async def test_of_several_that_wait_one_starts_and_the_others_follow_one_by_one(pair):
    for number in range(ROUNDS):
        runs = [a_run(f"s{number}") for _ in range(4)]
        calls = [
            accepted(pair[place % 2], run, multitask="enqueue", worker_id="worker")
            for place, run in enumerate(runs)
        ]
        outcomes = await together(*calls)
        assert Counter(outcome.run.status for outcome in outcomes) == {
            RunStatus.RUNNING: 1,
            RunStatus.PENDING: 3,
        }
        order = [run.run_id for run in await pair[0].list_runs(f"s{number}", owner="alice")]
        by_id = {run.run_id: run for run in runs}
        started = next(outcome.run.run_id for outcome in outcomes if outcome.run.status is RunStatus.RUNNING)
        assert started == order[0]
        for ended, following in zip(order, [*order[1:], None], strict=True):
            assert await claimed(pair[0]) == []
            await finished(pair[1], by_id[ended], worker_id="worker")
            assert await claimed(pair[0]) == ([following] if following else [])
            await claimed(pair[1])


@pytest.mark.parametrize(("multitask", "how"), [("interrupt", "cancel"), ("rollback", "rollback")])
async def test_the_live_ones_are_asked_to_end_once(db, multitask, how):
    first, waiting, new = a_run(), a_run(), a_run()
    await accepted(db, first, worker_id="a")
    await accepted(db, waiting, multitask="enqueue")
    notices = db.notifications()
    assert (await anext(notices)).kind == "connected"
    assert (await accepted(db, new, multitask=multitask, worker_id="b")).run.status is RunStatus.PENDING
    told = {(notice := await anext(notices)).kind: set(notice.run_ids) for _ in range(2)}
    assert told == {"cancel": {first.run_id, waiting.run_id}, "queue": set()}
    # Nobody executes the one that waited, so it is handed out to be ended.
    (ending,) = await db.claim_runs("c", runnables=[("agent", "web")], limits=Limits(total=0), most=10)
    assert (ending.run_id, ending.cancelling) == (waiting.run_id, how)
    await accepted(db, a_run(), multitask="interrupt", worker_id="b")
    taken = await db.take_run(first.run_id, worker_id="a", segment=0)
    assert taken.cancelling == how
    await notices.aclose()


async def test_a_run_that_is_rolled_back_leaves_nothing(db):
    before = a_run()
    await accepted(db, before, session_state={"kept": 1})
    await finished(db, before)
    session = await db.get_session("chat", owner="alice")
    run, new = a_run(), a_run()
    await accepted(db, run, worker_id="a")
    await accepted(db, new, multitask="rollback", worker_id="b")
    await accepted(db, a_run(parent_run_id=run.run_id, run_id="nested"), worker_id="a")
    await finished(db, run, status=RunStatus.CANCELLED, put={"lost": 1}, worker_id="a")
    left = await db.list_runs("chat", owner="alice", nested=True)
    assert [run.run_id for run in left] == [before.run_id, new.run_id]
    after = await db.get_session("chat", owner="alice")
    assert (after.session_state, after.metrics) == (session.session_state, session.metrics)
    assert await claimed(db, "b") == [new.run_id]


async def test_a_run_that_completed_before_it_was_rolled_back_stays(db):
    run = a_run()
    await accepted(db, run, worker_id="a")
    await accepted(db, a_run(), multitask="rollback", worker_id="b")
    await finished(db, run, put={"kept": 1}, worker_id="a")
    assert (await db.get_run(run.run_id, owner="alice")).status is RunStatus.COMPLETED


async def test_nested_and_ended_and_other_sessions_runs_are_in_nobodys_way(db):
    await a_finished_run(db)
    paused = a_run()
    await accepted(db, paused)
    await accepted(db, a_run(parent_run_id=paused.run_id))
    await finished(db, paused, status=RunStatus.PAUSED)
    await accepted(db, a_run("other"))
    for policy in ("enqueue", "interrupt", "rollback", "reject"):
        run = a_run()
        assert (await accepted(db, run, multitask=policy)).run.status is RunStatus.RUNNING
        await finished(db, run)


async def test_somebody_elses_session_is_not_busy_for_me(db):
    await accepted(db, a_run("hers"))
    await accepted(db, a_run("hers", user_id="bob"), multitask="reject")
    with pytest.raises(SessionBusyError):
        await accepted(db, a_run("hers", user_id="bob"), multitask="reject")
    await db.delete_sessions(["hers"], owner="bob")
    with pytest.raises(SessionBusyError):
        await accepted(db, a_run("hers", user_id="admin"), multitask="reject", owner=ANYONE)


async def test_the_queue_is_as_long_as_it_may_be_whoever_waits(pair):
    for user in ("alice", "bob", "carol"):
        run = a_run(user, user_id=user, status=RunStatus.PENDING)
        await queued(pair[0], run, queue_limit=3)
    with pytest.raises(QueueFullError):
        await queued(pair[1], queue_limit=3)
    assert await pair[0].get_session("chat", owner=ANYONE) is None
    await claimed(pair[0], total=1)
    calls = [queued(db, queue_limit=3) for db in pair]
    outcomes = await together(*calls)
    assert outcomes.count(QueueFullError) == 1
    assert len(await claimed(pair[0])) == 3


async def test_nobody_fills_the_queue_for_everybody(pair):
    limits = {"queue_limit": 9, "user_queue_limit": 2}
    for owner in ("alice", ANYONE):
        await queued(pair[0], a_run(f"s-{owner}", status=RunStatus.PENDING), owner=owner, **limits)
    with pytest.raises(QueueFullError, match="your runs"):
        await queued(pair[1], **limits)
    with pytest.raises(QueueFullError, match="your runs"):
        await queued(pair[1], owner=ANYONE, **limits)
    await queued(pair[1], a_run("his", user_id="bob", status=RunStatus.PENDING), **limits)
    await claimed(pair[0], total=1)
    await queued(pair[1], **limits)


async def test_the_same_request_again_is_the_same_run(pair):
    for number in range(ROUNDS):
        asked = {"idempotency_key": f"k{number}", "fingerprint": "f", "session_state": {"n": number}}
        runs = [a_run(f"{number}-{place}") for place in range(6)]
        calls = [accepted(pair[place % 2], run, **asked) for place, run in enumerate(runs)]
        outcomes = await asyncio.gather(*calls)
        assert sorted(got.is_new for got in outcomes) == [False] * 5 + [True]
        assert len({(got.run.run_id, got.run.status) for got in outcomes}) == 1
    assert (await pair[0].list_sessions(SessionQuery(), owner="alice")).total == ROUNDS


async def test_another_request_with_a_known_key_conflicts_and_changes_nothing(db):
    asked = {"idempotency_key": "k", "fingerprint": "f"}
    run = a_run()
    await accepted(db, run, **asked)
    await finished(db, run)
    with pytest.raises(IdempotencyConflictError):
        await accepted(db, a_run("new"), **asked | {"fingerprint": "other"})
    assert await db.get_session("new", owner=ANYONE) is None
    assert (await accepted(db, a_run(), **asked)).run.status is RunStatus.COMPLETED


async def test_a_key_belongs_to_one_user_and_one_runnable(db):
    asked = {"idempotency_key": "k", "fingerprint": "f"}
    first = await accepted(db, a_run("one"), **asked)
    others = [
        a_run("two", user_id="bob"),
        a_run("three", runnable_id="news"),
        a_run("four", kind="team"),
        a_run("five", user_id=None),
    ]
    for run in others:
        assert (await accepted(db, run, owner=run.user_id or ANYONE, **asked)).is_new
    nobodys = a_run("six", user_id=None)
    assert (await accepted(db, nobodys, owner=ANYONE, **asked)).run.run_id == others[-1].run_id
    hers = await accepted(db, a_run("one", user_id="admin"), owner=ANYONE, **asked)
    assert hers.run.run_id == first.run.run_id


async def test_history_ends_before_the_run_that_is_named(db):
    ids = []
    for text in ("one", "two", "three"):
        run = a_run(messages=[Message(role="user", content=text)])
        await accepted(db, run)
        ids.append((await finished(db, run)).run_id)
    for before, texts in ((ids[2], ["one", "two"]), (ids[0], []), (None, ["one", "two", "three"])):
        run = a_run()
        got = await accepted(db, run, history_runs=9, history_before=before, worker_id="x")
        assert [message.content for message in got.history] == texts
        opened = await db.open_run(run.run_id, worker_id="x", reads=RunReads(history_runs=9))
        assert opened.history == got.history


async def test_what_is_written_with_rules_is_what_is_written_without(db):
    await db.create_session(a_session("empty", runnable_id=None), owner="alice")
    plain, ruled = a_run("empty"), a_run("empty")
    asked = {"session_state": {"a": 1}, "session_defaults": {"b": 2}, "history_runs": 1, "memories": True}
    got = await accepted(db, plain, **asked)
    await finished(db, plain)
    again = await accepted(db, ruled, multitask="enqueue", **asked)
    assert again.session_state == got.session_state == {"a": 1, "b": 2}
    assert await db.get_run(ruled.run_id, owner="alice") == ruled
    assert [message.content for message in again.history] == ["Hello"]
