"""What a process that lost a run hears when it comes back, and who gets runs that wait for a turn."""

import pytest

from agentos.db.contracts.workers import Limits
from agentos.errors import RunLostError
from agentos.run.records import RunStatus
from tests.db.made import a_run, accepted, finished

WEB = [("agent", "web")]


async def test_whoever_ends_a_run_after_another_process_did_is_told(db):
    run = a_run()
    await accepted(db, run, worker_id="stalled")
    await db.beat("new")
    (orphan,) = await db.adopt_runs("new", dead_after=0, runnables=WEB, held=[])
    assert orphan.run_id == run.run_id
    await finished(db, run, status=RunStatus.ERROR, worker_id="new")
    with pytest.raises(RunLostError):
        await finished(db, run, status=RunStatus.COMPLETED, worker_id="stalled")
    await finished(db, run, status=RunStatus.ERROR, worker_id="new")
    assert (await db.get_run(run.run_id, owner="alice")).status is RunStatus.ERROR


async def test_a_durable_run_that_waited_for_its_turn_at_a_dead_process_waits_on(db):
    await db.beat("alive")
    first = a_run("s")
    await accepted(db, first, worker_id="alive")
    waiting = a_run("s")
    found = await accepted(db, waiting, worker_id="dead", durable=True, multitask="enqueue")
    assert found.run.status is RunStatus.PENDING
    assert await db.adopt_runs("alive", dead_after=60, runnables=WEB, held=[]) == []
    assert await db.claim_runs("alive", runnables=WEB, limits=Limits(), most=9) == []
    await finished(db, first, worker_id="alive")
    (claimed,) = await db.claim_runs("alive", runnables=WEB, limits=Limits(), most=9)
    assert (claimed.run_id, claimed.durable) == (waiting.run_id, True)


@pytest.mark.parametrize(("held", "again"), [(False, True), (True, False)])
async def test_a_run_that_its_executor_knows_nothing_of_is_given_to_it_again(db, held, again):
    run = a_run()
    await accepted(db, run, worker_id="me")
    held = [run.run_id] if held else []
    assert await db.adopt_runs("me", dead_after=60, runnables=[], held=[]) == []
    found = await db.adopt_runs("me", dead_after=0, runnables=[], held=held)
    assert [each.run_id for each in found] == [run.run_id] * again


@pytest.mark.parametrize(
    ("fields", "taken"), [({"durable": True}, False), ({"durable": False}, True), ({"cancelled": True}, True)]
)
async def test_a_durable_run_is_left_to_a_process_that_can_go_on_with_it(db, fields, taken):
    run = a_run()
    is_cancelled = fields.pop("cancelled", False)
    await accepted(db, run, worker_id="dead", **fields or {"durable": True})
    if is_cancelled:
        await db.cancel_run(run.run_id, worker_id="elsewhere", owner="alice")
    found = await db.adopt_runs("other", dead_after=60, runnables=[("agent", "news")], held=[])
    assert [each.run_id for each in found] == [run.run_id] * taken
    found = await db.adopt_runs("mine", dead_after=60, runnables=WEB, held=[])
    assert [each.run_id for each in found] == [run.run_id]  # an executor that has never beaten is dead


async def test_workers_that_left_or_never_were_are_gone(db):
    for worker_id in ("alive", "left"):
        await db.beat(worker_id)
    await db.leave("left")
    assert sorted(await db.gone_workers(["alive", "left", "never"])) == ["left", "never"]
    assert await db.gone_workers([]) == []
