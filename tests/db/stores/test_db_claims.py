"""Who gets which run: limits, turns, and the runs of processes that died."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.workers import Assignment, Limits
from agentos.errors import RunLostError
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.db.made import WAITING, a_run, accepted, finished

WEB = [("agent", "web")]
EVERY = [*WEB, ("agent", "news"), ("team", "web")]
LINE = LoggedEvent(1, "e", "{}")


async def queued(db, **fields):
    run = a_run(fields.pop("session_id", uuid4().hex), status=RunStatus.PENDING, **fields)
    await accepted(db, run, background=True)
    return run.run_id


async def claimed(db, *, worker_id="worker", runnables=EVERY, most=100, **limits):
    runs = await db.claim_runs(worker_id, runnables=runnables, limits=Limits(**limits), most=most)
    return [run.run_id for run in runs]


async def test_the_oldest_run_that_can_be_executed_here_is_handed_out_once(db):
    first, other, second = await queued(db), await queued(db, runnable_id="news"), await queued(db)
    await queued(db, kind="team")
    assert await claimed(db, runnables=[]) == []
    assert await claimed(db, runnables=WEB, most=0) == []
    assert await claimed(db, runnables=WEB, most=1) == [first]
    assert await claimed(db, runnables=WEB) == [second]
    assert await claimed(db, runnables=EVERY[:2]) == [other]
    assert (await db.get_run(first, owner="alice")).status is RunStatus.RUNNING


async def test_an_assignment_says_what_the_run_is(db):
    run = a_run(status=RunStatus.PENDING)
    await accepted(db, run, background=True, durable=True)
    found = await db.claim_runs("x", runnables=WEB, limits=Limits(), most=1)
    assert found == [Assignment(run.run_id, "agent", "web", segment=0, durable=True)]


async def test_a_run_that_waits_at_a_process_is_that_ones(db):
    running, waiting = a_run(), a_run()
    await accepted(db, running, worker_id="a")
    await accepted(db, waiting, multitask="enqueue", worker_id="a")
    assert await claimed(db, worker_id="a", runnables=[]) == []
    await finished(db, running, worker_id="a")
    assert await claimed(db, worker_id="b") == []
    assert await claimed(db, worker_id="a", runnables=[]) == [waiting.run_id]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"total": 2}, [0, 1]),
        ({"per_runnable": 1}, [0, 4]),
        ({"per_user": 1}, [0, 2, 3]),
        ({"per_user": 1, "total": 2}, [0, 2]),
        ({"per_user": 2, "per_runnable": 2}, [0, 1, 5]),
        ({"total": 0}, []),
    ],
)
async def test_limits_hold_among_those_that_are_claimed_at_once(db, limits, expected):
    users = ["alice", "alice", "bob", None, "alice", None]
    runnables = ["web", "web", "web", "web", "news", "news"]
    made = zip(users, runnables, strict=True)
    runs = [
        a_run(uuid4().hex, user_id=user, runnable_id=name, status=RunStatus.PENDING) for user, name in made
    ]
    for run in runs:
        await accepted(db, run, background=True, owner=ANYONE)
    assert await claimed(db, **limits) == [runs[place].run_id for place in expected]
    assert await claimed(db, **limits) == []


async def test_whom_a_limit_holds_back_holds_nobody_else_back(db):
    for _ in range(5):
        await queued(db)
    bobs = await queued(db, user_id="bob")
    assert len(await claimed(db, per_user=1, total=2)) == 2
    assert (await db.get_run(bobs, owner="bob")).status is RunStatus.RUNNING


async def test_limits_count_what_runs_anywhere_and_nothing_else(db):
    await accepted(db, a_run())
    ids = [await queued(db) for _ in range(3)]
    assert await claimed(db, worker_id="a", total=1) == [ids[0]]
    assert await claimed(db, worker_id="b", total=1) == []
    await finished(db, await db.get_run(ids[0], owner="alice"), worker_id="a")
    assert await claimed(db, worker_id="b", total=1) == [ids[1]]


async def test_processes_that_claim_at_once_stay_within_the_limits(pair):
    ids = [await queued(pair[0], user_id=f"u{number % 3}") for number in range(12)]
    taken = []
    for _ in range(20):
        calls = [
            claimed(db, worker_id=f"e{place}", total=4, per_user=2, most=2)
            for place, db in enumerate(pair * 3)
        ]
        found = await asyncio.gather(*calls)
        got = [(f"e{place}", run_id) for place, runs in enumerate(found) for run_id in runs]
        taken += [run_id for _, run_id in got]
        assert len(got) <= 4
        runs = [(executor, await pair[0].get_run(run_id, owner=ANYONE)) for executor, run_id in got]
        users = [run.user_id for _, run in runs]
        assert all(users.count(user) <= 2 for user in users)
        for executor, run in runs:
            await finished(pair[0], run, worker_id=executor)
    assert sorted(taken) == sorted(ids)


async def test_runs_with_a_policy_start_in_the_order_of_their_session(db):
    turns = [a_run(status=RunStatus.PENDING) for _ in range(3)]
    for run in turns:
        await accepted(db, run, background=True, multitask="enqueue")
    free = await queued(db, session_id="chat")
    assert await claimed(db) == [turns[0].run_id, free]
    assert await claimed(db) == []
    await finished(db, turns[0], status=RunStatus.ERROR, worker_id="worker")
    assert await claimed(db) == [turns[1].run_id]


async def test_an_executor_that_is_silent_or_gone_loses_its_runs_and_one_that_lives_does_not(db, database):
    runs = {}
    for name in ("new", "alive", "silent", "gone"):
        await db.beat(name)
        runs[name] = a_run()
        await accepted(db, runs[name], worker_id=name, durable=True)
    await accepted(db, a_run("free"))
    waiting = a_run(status=RunStatus.PENDING)
    await accepted(db, waiting, worker_id="silent")
    ended = a_run()
    await accepted(db, ended, worker_id="silent")
    await finished(db, ended, worker_id="silent")
    await queued(db)
    assert await db.adopt_runs("new", dead_after=60, runnables=WEB, held=[]) == []
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "UPDATE ai.agentos_executors SET beat_at = now() - interval '2 min' WHERE executor_id = 'silent'"
        )
    await db.leave("gone")
    adopted = await db.adopt_runs("new", dead_after=60, runnables=WEB, held=[])
    wanted = [runs["silent"], runs["gone"], waiting]
    assert [run.run_id for run in adopted] == [run.run_id for run in wanted]
    assert [run.durable for run in adopted] == [True, True, False]
    assert await db.adopt_runs("newer", dead_after=60, runnables=WEB, held=[]) == []
    assert (await db.get_run(waiting.run_id, owner="alice")).status is RunStatus.RUNNING
    for name, taken in (("alive", True), ("silent", False), ("gone", False)):
        run_id = runs[name].run_id
        assert bool(await db.append_events({run_id: [LINE]}, owner=ANYONE, worker_id=name)) == taken


async def test_takeovers_count_at_one_step_and_only_after_deaths(db):
    run = a_run()
    await accepted(db, run, worker_id="first", durable=True)

    async def taken(worker_id, steps):
        assignment = await db.take_run(run.run_id, worker_id=worker_id, segment=0, steps=steps)
        return assignment.takeovers

    assert [await taken(f"w{number}", 2) for number in range(3)] == [1, 2, 3]
    assert await taken("w2", 2) == 3, "the same worker asks again if the answer was lost"
    assert await taken("w4", 3) == 1
    assert await taken("w5", 3) == 2
    await db.beat("w5")
    await db.leave("w5")
    await db.leave("w5")
    assert await taken("w6", 3) == 2
    assert await taken("w7", 3) == 3


async def test_an_orphan_is_adopted_by_exactly_one(pair):
    await pair[0].beat("e0")
    await pair[1].beat("e1")
    for _ in range(20):
        orphans = [a_run(uuid4().hex) for _ in range(3)]
        for run in orphans:
            await accepted(pair[0], run, worker_id="dead")
        calls = [
            db.adopt_runs(f"e{place % 2}", dead_after=60, runnables=WEB, held=[])
            for place, db in enumerate(pair * 3)
        ]
        adopted = [run.run_id for runs in await asyncio.gather(*calls) for run in runs]
        assert sorted(adopted) == sorted(run.run_id for run in orphans)


async def test_an_executor_that_beats_again_in_time_keeps_its_runs(db, database):
    run = a_run()
    await db.beat("slow")
    await accepted(db, run, worker_id="slow")
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("UPDATE ai.agentos_executors SET beat_at = now() - interval '2 min'")
    with psycopg.connect(database.replace("+psycopg", "")) as beating:
        beating.execute("UPDATE ai.agentos_executors SET beat_at = now()")
        adoption = asyncio.create_task(db.adopt_runs("new", dead_after=60, runnables=WEB, held=[]))
        while beating.execute(WAITING).fetchone() == (0,):
            await asyncio.sleep(0)
    assert await adoption == []
    await finished(db, run, worker_id="slow")


@pytest.mark.parametrize(("worker_id", "may"), [("mine", True), ("other", False), (None, False)])
async def test_only_its_executor_adds_to_a_run_and_ends_it(db, worker_id, may):
    run = a_run()
    await accepted(db, run, worker_id="mine")
    taken = await db.append_events({run.run_id: [LINE]}, owner="alice", worker_id=worker_id)
    assert taken == ({run.run_id} if may else set())
    if may:
        await finished(db, run, worker_id=worker_id, put={"k": 1})
        await finished(db, run, worker_id=worker_id, put={"k": 2})
    else:
        with pytest.raises(RunLostError):
            await finished(db, run, worker_id=worker_id, put={"k": 1})
    session = await db.get_session("chat", owner="alice")
    assert session.session_state == ({"k": 1} if may else {})
    assert len(await db.read_events(run.run_id, after=0, owner="alice")) == may


async def test_taking_over_waits_for_lines_that_are_being_written(db, database):
    run = a_run()
    await accepted(db, run, worker_id="old")
    with psycopg.connect(database.replace("+psycopg", "")) as writing:
        writing.execute("SELECT FROM ai.agentos_runs FOR SHARE")
        taking = asyncio.create_task(db.take_run(run.run_id, worker_id="new", segment=0))
        while writing.execute(WAITING).fetchone() == (0,):
            await asyncio.sleep(0)
        assert not taking.done()
    assert (await taking).run_id == run.run_id


@pytest.mark.parametrize(
    ("status", "segment", "may"),
    [(RunStatus.RUNNING, 0, True), (RunStatus.RUNNING, 1, False), (RunStatus.COMPLETED, 0, False)],
)
async def test_a_run_is_taken_while_it_runs_in_the_segment_that_was_meant(db, status, segment, may):
    run = a_run()
    await accepted(db, run, worker_id="old", durable=True)
    if status is not RunStatus.RUNNING:
        await finished(db, run, status=status, worker_id="old")
    taken = await db.take_run(run.run_id, worker_id="new", segment=segment)
    wanted = Assignment(run.run_id, "agent", "web", 0, durable=True, takeovers=1)
    assert taken == (wanted if may else None)
    assert await db.take_run("a\0", worker_id="new", segment=segment) is None
