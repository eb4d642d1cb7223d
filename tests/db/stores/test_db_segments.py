"""A run's life between its acceptance and its end: opened, paused, continued, cancelled."""

import asyncio
from uuid import uuid4

import pytest

from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.runs import RunReads
from agentos.db.contracts.workers import Limits
from agentos.errors import ConflictError, NotFoundError, RunLostError
from agentos.run.messages import Message, Metrics, ToolExecution
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.db.made import UNSTORABLE, a_memory, a_run, accepted, finished

WEB = [("agent", "web")]


async def opened(db, run, *, worker_id="here", **asked):
    return await db.open_run(run.run_id, worker_id=worker_id, reads=RunReads(**asked))


async def paused(db, session_id="chat", *, request=None, **fields):
    run = a_run(session_id, **fields)
    await accepted(db, run, worker_id="first", **(request or {}))
    run.messages = [Message(role="user", content="Delete it")]
    run.tools = [ToolExecution(tool_call_id="1", tool_name="delete", requires_confirmation=True)]
    return await finished(db, run, status=RunStatus.PAUSED, worker_id="first")


async def test_an_opened_run_brings_all_that_it_was_accepted_with(db):
    earlier = a_run(messages=[Message(role="user", content="Before")])
    await accepted(db, earlier, session_state={"stored": 1})
    await finished(db, earlier)
    await db.create_memory(a_memory(memory="Likes tea"), owner="alice")
    run = a_run(metadata={"k": 1})
    asked = {"dependencies": {"z": {"b": 1.0, "a": 1e22}, "a": None}, "stream": False, "begun_by": "root"}
    await accepted(db, run, worker_id="here", session_state={"given": 2}, **asked)
    later = a_run()
    await accepted(db, later)
    await finished(db, later)
    lines = [LoggedEvent(seq, "e", "{}") for seq in (1, 2)]
    await db.append_events({run.run_id: lines}, owner="alice", worker_id="here")
    for defaults in ({"stored": 0, "default": 3}, {"default": 0}, {}):
        found = await opened(db, run, session_defaults=defaults, history_runs=5, memories=True)
        assert found.session_state == {"stored": 1, "given": 2, "default": 3}
    assert found.run == run
    assert found.request.stored() == {"anyone": True, **asked}
    assert list(found.request.dependencies["z"]) == ["b", "a"]
    assert (found.segment, found.last_seq) == (0, 2)
    assert [(message.content, message.from_history) for message in found.history] == [("Before", True)]
    assert [memory.memory for memory in found.memories] == ["Likes tea"]
    assert (await db.get_session("chat", owner="alice")).session_state == found.session_state


@pytest.mark.parametrize(("worker_id", "may"), [("here", True), ("there", False)])
async def test_a_run_is_opened_by_its_executor_while_it_runs(db, worker_id, may):
    run = a_run()
    await accepted(db, run, worker_id="here")
    assert (await opened(db, run, worker_id=worker_id) is not None) == may
    await finished(db, run, worker_id="here")
    assert await opened(db, run, worker_id=worker_id) is None


async def test_a_paused_run_is_nobodys_and_keeps_what_it_has_done(db):
    run = a_run()
    await accepted(db, run, worker_id="first")
    run.metrics = Metrics(input_tokens=3, duration=0.5, time_to_first_token=0.1)
    line = LoggedEvent(1, "RunPaused", "{}")
    await finished(db, run, status=RunStatus.PAUSED, worker_id="first", put={"k": 1}, events=[line])
    await finished(db, run, status=RunStatus.PAUSED, worker_id="first", put={"k": 2})
    assert (await db.get_run(run.run_id, owner="alice")).is_paused
    assert await db.read_events(run.run_id, after=0, owner="alice") == [line]
    session = await db.get_session("chat", owner="alice")
    assert (session.session_state, session.metrics) == ({"k": 1}, run.metrics)
    assert await db.claim_runs("x", runnables=WEB, limits=Limits(), most=9) == []
    assert await db.adopt_runs("x", dead_after=0, runnables=WEB, held=[]) == []
    with pytest.raises(RunLostError):
        await finished(db, run, worker_id="first")


async def test_a_run_that_goes_on_counts_only_what_is_new(db):
    run = await paused(db)
    earlier = run.metrics = Metrics(input_tokens=3, duration=0.5, time_to_first_token=0.1)
    await db.reopen_run(run, {}, worker_id="first", owner="alice")
    await finished(db, run, status=RunStatus.PAUSED, worker_id="first")
    await db.reopen_run(run, {}, worker_id="second", owner="alice")
    run.metrics = Metrics(input_tokens=10, output_tokens=1, duration=0.75, time_to_first_token=0.1)
    await finished(db, run, worker_id="second", earlier=earlier)
    assert (await db.get_session("chat", owner="alice")).metrics == run.metrics


async def test_a_continued_run_has_the_decisions_and_the_request(db):
    run = await paused(db, request={"stream": False, "dependencies": {"k": 1}, "begun_by": "root"})
    run.tools[0].confirmed = True
    changes = {"dependencies": {"k": 2}, "continued_by": "bob"}
    assert await db.reopen_run(run, changes, worker_id="second", owner="alice") == 1
    found = await opened(db, run, worker_id="second")
    assert (found.segment, found.run.tools[0].confirmed) == (1, True)
    assert found.request.stored() == {"anyone": True, "stream": False, "begun_by": "root", **changes}
    assert [message.content for message in found.run.messages] == ["Delete it"]
    run.status = RunStatus.RUNNING
    assert found.run == run


async def test_a_run_continued_for_nobody_in_particular_waits_in_the_queue(db):
    run = await paused(db)
    assert await db.reopen_run(run, {}, worker_id=None, owner="alice") == 1
    assert (await db.get_run(run.run_id, owner="alice")).status is RunStatus.PENDING
    assert await db.claim_runs("x", runnables=WEB, limits=Limits(total=0), most=9) == []
    (found,) = await db.claim_runs("x", runnables=WEB, limits=Limits(total=1), most=9)
    assert (found.run_id, found.segment) == (run.run_id, 1)
    assert (await opened(db, run, worker_id="x")).request.stored() == {"anyone": True}


async def test_of_several_that_continue_a_run_one_does(pair):
    for number in range(20):
        run = await paused(pair[0], f"s{number}")
        calls = [
            db.reopen_run(run, {}, worker_id=f"e{place}", owner="alice") for place, db in enumerate(pair * 2)
        ]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(outcome == 1 for outcome in outcomes) == [False, False, False, True]
        assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 3
        there = [await opened(pair[0], run, worker_id=f"e{place}") for place in range(4)]
        assert [found is not None for found in there] == [outcome == 1 for outcome in outcomes]


async def test_whoever_read_a_run_before_another_continued_it_comes_too_late(db):
    run = await paused(db)
    stale = run.model_copy(deep=True)
    await db.reopen_run(run, {}, worker_id="second", owner="alice")
    run.messages.append(Message(role="tool", content="Deleted"))
    await finished(db, run, status=RunStatus.PAUSED, worker_id="second")
    with pytest.raises(ConflictError):
        await db.reopen_run(stale, {}, worker_id="third", owner="alice")
    assert await db.reopen_run(run, {}, worker_id="third", owner="alice") == 2


@pytest.mark.parametrize(("owner", "may"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_run_is_continued_by_its_owner_only(db, owner, may):
    run = await paused(db)
    if may:
        assert await db.reopen_run(run, {}, worker_id="x", owner=owner) == 1
    else:
        with pytest.raises(NotFoundError, match="Run"):
            await db.reopen_run(run, {}, worker_id="x", owner=owner)
        assert (await db.get_run(run.run_id, owner="alice")).is_paused


async def test_a_run_that_waits_begins_after_one_that_was_continued_meanwhile(db):
    run = await paused(db)
    waiting = a_run(status=RunStatus.PENDING)
    await accepted(db, waiting, multitask="enqueue", background=True)
    await db.reopen_run(run, {}, worker_id="second", owner="alice")
    assert await db.claim_runs("x", runnables=WEB, limits=Limits(), most=9) == []
    notices = db.notifications()
    await anext(notices)
    await finished(db, run, worker_id="second")
    assert (await anext(notices)).kind == "queue"
    assert len(await db.claim_runs("x", runnables=WEB, limits=Limits(), most=9)) == 1
    await notices.aclose()


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.PAUSED])
async def test_a_run_that_nobody_executes_is_cancelled_where_that_is_wanted(db, status):
    run = await paused(db) if status is RunStatus.PAUSED else a_run(status=status)
    if status is RunStatus.PENDING:
        await accepted(db, run, background=True)
    assert await db.cancel_run(run.run_id, worker_id="here", owner="alice") is status
    assert await db.claim_runs("x", runnables=WEB, limits=Limits(), most=9) == []
    found = await opened(db, run)
    await finished(db, found.run, status=RunStatus.CANCELLED, worker_id="here")
    assert (await db.get_run(run.run_id, owner="alice")).status is RunStatus.CANCELLED


async def test_the_executor_of_a_running_run_is_told_to_end_it(db):
    run = a_run()
    await accepted(db, run, worker_id="there")
    notices = db.notifications()
    await anext(notices)
    assert await db.cancel_run(run.run_id, worker_id="here", owner="alice") is RunStatus.RUNNING
    told = await anext(notices)
    assert (told.kind, told.run_ids) == ("cancel", (run.run_id,))
    assert await db.cancel_run(run.run_id, worker_id="here", owner="alice", how="rollback")
    taken = await db.take_run(run.run_id, worker_id="there", segment=0)
    assert taken.cancelling == "cancel"
    await notices.aclose()


async def test_an_executor_that_missed_the_news_is_told_when_it_beats(db):
    runs = [a_run() for _ in range(4)]
    for run, worker_id in zip(runs, ("there", "there", "there", "elsewhere"), strict=True):
        await accepted(db, run, worker_id=worker_id)
    assert await db.beat("there") == []
    for run in runs[1:]:
        await db.cancel_run(run.run_id, worker_id="here", owner="alice")
    await finished(db, runs[2], status=RunStatus.CANCELLED, worker_id="there")
    assert await db.beat("there") == [runs[1].run_id]


async def test_a_run_that_goes_on_without_its_steps_is_not_durable_any_more(db):
    for recorded in (True, False):
        run = a_run()
        await accepted(db, run, worker_id="a", durable=True)
        await finished(db, run, status=RunStatus.PAUSED, worker_id="a")
        await db.reopen_run(run, {}, worker_id="b", owner="alice", recorded=recorded)
        assert (await db.take_run(run.run_id, worker_id="b", segment=1)).durable is recorded


async def test_a_run_that_is_over_is_not_cancelled(db):
    run = a_run()
    await accepted(db, run)
    await finished(db, run)
    assert await db.cancel_run(run.run_id, worker_id="x", owner="alice") is RunStatus.COMPLETED
    assert (await db.get_run(run.run_id, owner="alice")).status is RunStatus.COMPLETED


@pytest.mark.parametrize(("owner", "may"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_run_is_cancelled_by_its_owner_only(db, owner, may):
    run = a_run(status=RunStatus.PENDING)
    await accepted(db, run, background=True)
    status = await db.cancel_run(run.run_id, worker_id="x", owner=owner)
    assert status is (RunStatus.PENDING if may else None)
    for absent in ("never", *UNSTORABLE.values()):
        assert await db.cancel_run(absent, worker_id="x", owner=ANYONE) is None
    stored = await db.get_run(run.run_id, owner="alice")
    assert stored.status is (RunStatus.RUNNING if may else RunStatus.PENDING)


async def test_a_run_that_is_to_end_does_not_pause(db):
    run = a_run(uuid4().hex)
    await accepted(db, run, worker_id="there")
    await db.cancel_run(run.run_id, worker_id="here", owner="alice")
    await finished(db, run, status=RunStatus.PAUSED, worker_id="there")
    (ending,) = await db.claim_runs("x", runnables=WEB, limits=Limits(total=0), most=9)
    assert (ending.run_id, ending.cancelling) == (run.run_id, "cancel")


@pytest.mark.parametrize(
    ("status", "now"),
    [(RunStatus.COMPLETED, RunStatus.REGENERATED), (RunStatus.ERROR, RunStatus.COMPLETED)],
)
async def test_an_answer_takes_the_place_of_another_once_it_is_complete(db, status, now):
    old = a_run(messages=[Message(role="assistant", content="old")])
    await accepted(db, old)
    await finished(db, old)
    new = a_run(messages=[Message(role="assistant", content="new")], regenerated_from=old.run_id)
    await accepted(db, new)
    await finished(db, new, status=status, replaces=old.run_id)
    assert (await db.get_run(old.run_id, owner="alice")).status is now
    assert (await db.get_run(new.run_id, owner="alice")).regenerated_from == old.run_id
    history = (await accepted(db, a_run(), history_runs=9)).history
    assert [message.content for message in history] == ["new" if now is RunStatus.REGENERATED else "old"]


async def test_only_an_answer_of_the_same_session_is_replaced(db):
    hers, his = a_run("hers"), a_run("his", user_id="bob")
    for run in (hers, his):
        await accepted(db, run)
    await finished(db, hers)
    await finished(db, his, replaces=hers.run_id)
    assert (await db.get_run(hers.run_id, owner="alice")).status is RunStatus.COMPLETED


async def test_a_run_that_a_script_left_behind_can_be_cancelled(db):
    run = a_run()
    await accepted(db, run)
    assert await db.cancel_run(run.run_id, worker_id="server", owner="alice") is RunStatus.PENDING
    with pytest.raises(RunLostError):
        await finished(db, run)
    await finished(db, run, status=RunStatus.CANCELLED, worker_id="server")
    assert (await db.get_run(run.run_id, owner="alice")).status is RunStatus.CANCELLED
