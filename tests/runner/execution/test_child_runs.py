"""Runs within runs: rows, events, totals, pauses, ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from agentos.errors import ConflictError, NotFoundError
from agentos.run.budget import Budget
from agentos.run.events import RunContent
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.run.wire import decode_event
from agentos.runner.continuation import Continuation
from agentos.runner.execution.child import MAX_DEPTH
from agentos.runner.service import RunService
from agentos.runner.settings import RunSettings
from tests.runner.execution.tree import LEAVES, Asking, Tree
from tests.runner.script import Script, probe, turn


@asynccontextmanager
async def served(*runnables, db):
    runs = RunService(list(runnables), [db])
    async with runs.running(grace=5):
        yield runs


def ask(text="hi", **fields):
    fields = {"user_id": "ann", "session_id": "s", **fields}
    return RunRequest(input=RunInput(input_content=text), **fields)


async def ended(runs, script, started):
    async with asyncio.timeout(20):
        return await runs.finished(script, started)


async def rows(db):
    """The session's runs by what they were asked, nested ones too."""
    return {run.input.input_content: run for run in await db.list_runs("s", owner=ANYONE, nested=True)}


async def story(db, run_id):
    """Every event of the log, with whose it is."""
    lines = await db.read_events(run_id, after=0, owner=ANYONE)
    return [decode_event(line.text) for line in lines]


@pytest.mark.parametrize("durable", [False, True])
async def test_each_nested_run_has_a_row_in_its_place(db, durable):
    tree = Tree(db, durable=durable)
    async with served(tree.root, db=db) as runs:
        run = await ended(runs, tree.root, await runs.start(tree.root, ask()))
    found = await rows(db)
    assert run.content == "A+B C+D"
    assert {text: each.content for text, each in found.items()} == {
        "hi": "A+B C+D", "a b": "A+B", "c d": "C+D", "a": "A", "b": "B", "c": "C", "d": "D",
    }  # fmt: skip
    root, left, right = found["hi"], found["a b"], found["c d"]
    assert (root.root_run_id or root.run_id, root.depth or 0, root.parent_run_id) == (run.run_id, 0, None)
    assert [(left.depth, left.parent_run_id)] == [(1, run.run_id)]
    for name, parent in (("a", left), ("b", left), ("c", right), ("d", right)):
        leaf = found[name]
        assert (leaf.depth, leaf.parent_run_id, leaf.root_run_id) == (2, parent.run_id, run.run_id)
        assert (leaf.kind, leaf.runnable_id, leaf.user_id) == ("probe", "leaf", "ann")
    assert all(each.status is RunStatus.COMPLETED for each in found.values())
    assert tree.takes == dict.fromkeys(["root", "a b", "c d", *LEAVES], 1)


async def test_only_root_runs_are_listed_unless_the_others_are_asked_for(db):
    tree = Tree(db)
    async with served(tree.root, db=db) as runs:
        run = await ended(runs, tree.root, await runs.start(tree.root, ask()))
        assert [each.run_id for each in await db.list_runs("s", owner="ann")] == [run.run_id]
        everything = await db.list_runs("s", owner="ann", nested=True)
        above = Counter(each.parent_run_id for each in everything)
        assert above == {None: 1, run.run_id: 2} | {
            each.run_id: 2 for each in everything if each.parent_run_id == run.run_id
        }
        assert await db.list_runs("s", owner="bob", nested=True) == []


async def test_the_sessions_totals_count_each_token_once(db):
    tree = Tree(db)
    async with served(tree.root, db=db) as runs:
        for expected in (1111, 2222):
            run = await ended(runs, tree.root, await runs.start(tree.root, ask()))
            assert run.metrics.total_tokens == 1111
            session = await db.get_session("s", owner="ann")
            assert session.metrics.total_tokens == expected
    found = await rows(db)
    assert (found["a b"].metrics.total_tokens, found["c"].metrics.total_tokens) == (11, 100)
    assert sorted(session.session_state["leaves"]) == sorted([*LEAVES] * 2)


async def test_events_of_all_runs_come_in_the_roots_stream(db):
    tree = Tree(db)
    async with served(tree.root, db=db) as runs:
        started = await runs.start(tree.root, ask())
        run = await ended(runs, tree.root, started)
        found, events = await rows(db), await story(db, run.run_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event for event in events if event.is_final][-1] is events[-1]
    names = {each.run_id: text for text, each in found.items()}
    by_run: dict[str, list[str]] = {}
    for event in events:
        by_run.setdefault(names[event.origin.run_id], []).append(event.event)
        stored = found[names[event.origin.run_id]]
        assert (event.origin.parent_run_id, event.origin.nested_depth) == (
            stored.parent_run_id,
            stored.depth or 0,
        )
        assert (event.origin.kind, event.origin.session_id) == (stored.kind, "s")
    assert by_run == {text: ["RunStarted", "RunContent", "RunCompleted"] for text in found}
    assert await db.read_events(found["a"].run_id, after=0, owner=ANYONE) == []


async def test_a_run_without_a_database_has_its_nested_runs_with_it():
    tree = Tree(None)
    run = await tree.root.arun("hi")
    assert run.content == "A+B C+D"
    left, right = sorted(run.children, key=lambda each: each.input.input_content)
    assert [each.content for each in left.children + right.children] == ["A", "B", "C", "D"]
    assert run.metrics.total_tokens == 1111


async def test_a_nested_run_that_fails_is_only_a_record_to_its_parent(db):
    async def fail(context):
        yield RunContent(content="half")
        raise RuntimeError("password=hunter2")

    async def root(context):
        yield RunContent(content="I ask.")
        answer = await context.child(probe("broken", fail), "go", name="one")
        context.run.content = f"{answer.status}: {answer.error_type}"

    script = Script(root, RunSettings(db=db))
    async with served(script, db=db) as runs:
        run = await ended(runs, script, await runs.start(script, ask()))
        events = await story(db, run.run_id)
    assert (run.status, run.content) == (RunStatus.COMPLETED, "ERROR: internal_error")
    assert "hunter2" not in str((await rows(db))["go"])
    assert [(event.event, event.origin.nested_depth) for event in events][-2:] == [
        ("RunError", 1),
        ("RunCompleted", 0),
    ]


async def test_two_nested_runs_of_one_name_are_a_mistake_of_the_parent(db):
    async def leaf(context):
        yield RunContent(content="x")

    async def root(context):
        yield RunContent(content="I ask.")
        for _ in range(2):
            await context.child(probe("leaf", leaf), "go", name="one")

    script = Script(root, RunSettings(db=db))
    async with served(script, db=db) as runs:
        run = await ended(runs, script, await runs.start(script, ask()))
    assert (run.status, run.error_type) == (RunStatus.ERROR, "internal_error")


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize(("confirmed", "content"), [(True, "A+B C+D"), (False, "A+B not paid+D")])
async def test_what_a_grandchild_waits_for_is_what_the_root_waits_for(db, durable, confirmed, content):
    tree = Asking(db, durable=durable)
    async with served(tree.root, db=db) as runs:
        run = await ended(runs, tree.root, await runs.start(tree.root, ask()))
        (wanted,) = run.requirements
        found = await rows(db)
        assert {text: each.status for text, each in found.items()} == {
            text: "PAUSED" if text in {"hi", "c d", "c"} else "COMPLETED" for text in found
        }
        assert (wanted.member_run_id, wanted.member_agent_id) == (found["c"].run_id, "leaf")
        stored = await db.get_run(run.run_id, owner="ann")
        assert [each.shown() for each in stored.requirements] == [wanted.shown()]
        answer = {"tool_call_id": "call-1", "member_run_id": wanted.member_run_id, "confirmed": confirmed}
        going = await runs.proceed(tree.root, run, Continuation(answers=[answer]), owner="ann")
        run = await ended(runs, tree.root, going)
    assert (run.status, run.content) == (RunStatus.COMPLETED, content)
    found = await rows(db)
    assert {each.status for each in found.values()} == {RunStatus.COMPLETED}
    assert found["c"].metrics.total_tokens == (100 if confirmed else 0)
    once = {name: tree.takes[name] for name in ("a b", "a", "b", "d", "asks")}
    assert once == dict.fromkeys(once, 1)
    session = await db.get_session("s", owner="ann")
    assert session.metrics.total_tokens == run.metrics.total_tokens == (1111 if confirmed else 1011)


async def test_only_the_root_is_continued_and_cancelled(db):
    tree = Asking(db)
    leaf = Script(tree.leaf.play, RunSettings(db=db), kind="probe", id="leaf")
    async with served(tree.root, leaf, db=db) as runs:
        run = await ended(runs, tree.root, await runs.start(tree.root, ask()))
        nested = (await rows(db))["c"]
        (wanted,) = run.requirements
        answer = [{"tool_call_id": wanted.id, "confirmed": True}]
        with pytest.raises(ConflictError, match=run.run_id):
            await runs.proceed(leaf, nested, Continuation(answers=answer), owner="ann")
        with pytest.raises(ConflictError, match=run.run_id):
            await runs.cancel(leaf, nested.run_id, session_id="s", owner="ann")
        with pytest.raises(NotFoundError):
            await runs.cancel(leaf, nested.run_id, session_id="s", owner="bob")
        await runs.cancel(tree.root, run.run_id, session_id="s", owner="ann")
    statuses = {text: each.status for text, each in (await rows(db)).items()}
    assert {statuses[text] for text in ("hi", "c d", "c")} == {RunStatus.CANCELLED}
    assert {statuses[text] for text in ("a b", "a", "b", "d")} == {RunStatus.COMPLETED}


async def test_cancelling_the_root_ends_every_nested_run(db):
    reached, never = asyncio.Semaphore(0), asyncio.Event()

    async def hang(context):
        yield RunContent(content="so far")
        context.run.content = "so far"
        reached.release()
        await never.wait()

    tree = Tree(db)
    tree.leaf.play = hang
    async with served(tree.root, db=db) as runs:
        started = await runs.start(tree.root, ask())
        for _ in LEAVES:
            await reached.acquire()
        await runs.cancel(tree.root, started.run.run_id, session_id="s", owner="ann")
        await ended(runs, tree.root, started)
        found, events = await rows(db), await story(db, started.run.run_id)
    assert {each.status for each in found.values()} == {RunStatus.CANCELLED}
    assert found["a"].content == "so far"
    assert Counter(event.event for event in events)["RunCancelled"] == 7
    assert events[-1].origin.run_id == started.run.run_id


@pytest.mark.parametrize("fails", [False, True])
async def test_no_nested_run_outlives_its_parent(db, fails):
    reached, never = asyncio.Event(), asyncio.Event()
    forgotten = []

    async def hang(context):
        yield RunContent(content="so far")
        reached.set()
        await never.wait()

    async def leave(context):
        yield RunContent(content="I don't wait.")
        forgotten.append(asyncio.create_task(context.child(probe("leaf", hang), "go", name="one")))
        await reached.wait()
        forgotten.append(asyncio.create_task(context.child(probe("leaf", hang), "go", name="two")))
        await asyncio.sleep(0)  # the second has begun, and has no row yet
        if fails:
            raise ValueError
        context.run.content = "done"

    script = Script(leave, RunSettings(db=db))
    async with served(script, db=db) as runs:
        run = await ended(runs, script, await runs.start(script, ask()))
        await asyncio.wait(forgotten)
        events = await story(db, run.run_id)
        everything = await db.list_runs(run.session_id, owner="ann", nested=True)
        children = [each for each in everything if each.parent_run_id == run.run_id]
    assert run.status is (RunStatus.ERROR if fails else RunStatus.COMPLETED)
    assert all(task.cancelled() for task in forgotten)
    assert children[0].status is RunStatus.CANCELLED
    assert all(child.status.is_final for child in children)
    assert [event.origin.run_id for event in events[-2:]] == [children[0].run_id, run.run_id]


async def test_a_run_that_has_ended_begins_no_nested_runs(db):
    kept = []

    async def leave(context):
        yield RunContent(content="done")
        kept.append(context)

    script = Script(leave, RunSettings(db=db))
    async with served(script, db=db) as runs:
        await ended(runs, script, await runs.start(script, ask()))
        with pytest.raises(RuntimeError, match="has ended"):
            await kept[0].child(probe("leaf", leave), "go", name="one")


@pytest.mark.parametrize(
    ("budget", "limit"),
    [
        (Budget(tokens=10), "10 tokens"),
        (Budget(turns=2), "2 turns"),
        (Budget(output_bytes=8), "8 output_bytes"),
    ],
)
async def test_a_budget_is_that_of_the_whole_tree(db, budget, limit):
    async def leaf(context):
        yield RunContent(content=await turn(context, "model-1", "word", tokens=5))

    async def branch(context):
        yield RunContent(content="I ask.")
        answer = await context.child(probe("leaf", leaf), "go", name="one")
        context.run.content = answer.content

    async def root(context):
        yield RunContent(content="I ask.")
        children = [await context.child(probe("branch", branch), name, name=name) for name in "abc"]
        context.run.content = [each.content for each in children]

    script = Script(root, RunSettings(db=db, budget=budget))
    async with served(script, db=db) as runs:
        run = await ended(runs, script, await runs.start(script, ask()))
    assert run.content == ["word", "word", f"The run has used up its budget of {limit}."]
    assert run.metrics.total_tokens == 10


async def test_a_budget_of_seconds_ends_the_whole_tree(db):
    async def hang(context):
        yield RunContent(content="so far")
        await asyncio.Event().wait()

    tree = Tree(db, budget=Budget(seconds=0.2))
    tree.leaf.play = hang
    async with served(tree.root, db=db) as runs:
        run = await ended(runs, tree.root, await runs.start(tree.root, ask()))
    assert (run.error_type, run.content) == (
        "budget_exceeded",
        "The run has used up its budget of seconds.",
    )
    assert {each.status for each in (await rows(db)).values()} <= {RunStatus.ERROR, RunStatus.CANCELLED}


async def test_runs_that_delegate_in_a_circle_end(db):
    async def delegate(context):
        yield RunContent(content="You do it.")
        answer = await context.child(circle, "do it", name="next")
        context.run.content = answer.content

    circle = probe("circle", delegate)
    root = Script(delegate, RunSettings(db=db))
    async with served(root, db=db) as runs:
        await ended(runs, root, await runs.start(root, ask()))
        everything = await db.list_runs("s", owner="ann", nested=True)
    deepest = everything[-1]
    assert (len(everything), deepest.depth) == (1 + MAX_DEPTH, MAX_DEPTH)
    assert (deepest.status, deepest.error_type) == (RunStatus.ERROR, "too_deep")
