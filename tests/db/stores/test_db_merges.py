"""What runs add and append is merged with what the session has by the time that they end."""

from __future__ import annotations

import asyncio
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentos.db.contracts.runs import RunReads, StateChange
from agentos.db.contracts.sessions import SessionChange
from agentos.db.postgres import PostgresDb
from agentos.errors import NotFoundError, RunLostError, StateTooLargeError
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from agentos.run.state import State
from tests.conftest import administering
from tests.db.made import a_run, a_session, accepted, finished


async def state_of(db, session_id="chat", owner="alice"):
    return (await db.get_session(session_id, owner=owner)).session_state


async def states(db, session_id="chat"):
    return [run.session_state for run in await db.list_runs(session_id, owner="alice")]


async def begun(db, **fields):
    """A run, and the state that it begins with."""
    opened = await accepted(db, run := a_run(), **fields)
    return run, State(opened.session_state), deepcopy(opened.session_state)


async def ended(db, run, state, before, **asked):
    after, merged = state.merged_since(before)
    return await finished(db, run, **vars_of(StateChange.between(before, after, merged)), **asked)


def vars_of(change):
    return {"put": change.put, "removed": change.removed, "merged": change.merged}


@pytest.mark.parametrize(
    ("stored", "put", "merged", "expected"),
    [
        ({}, {"k": 1}, {"k": 1}, {"k": 1}),
        ({"k": 4}, {"k": 1}, {"k": 1}, {"k": 5}),
        ({"k": 0.1}, {"k": 0.2}, {"k": 0.2}, {"k": 0.3}),
        ({"k": 1}, {"k": 1.5}, {"k": 0.5}, {"k": 1.5}),
        ({"k": 10**30}, {"k": 1}, {"k": -1}, {"k": 10**30 - 1}),
        ({"k": 1e300}, {"k": 1e-300}, {"k": 1e-300}, {"k": 1e300}),
        ({}, {"k": ["a"]}, {"k": ["a"]}, {"k": ["a"]}),
        ({"k": [0]}, {"k": ["a", [1]]}, {"k": ["a", [1]]}, {"k": [0, "a", [1]]}),
        ({"k": "text"}, {"k": 7}, {"k": 1}, {"k": 7}),
        ({"k": None}, {"k": 7}, {"k": 1}, {"k": 7}),
        ({"k": True}, {"k": 7}, {"k": 1}, {"k": 7}),
        ({"k": {"a": 1}}, {"k": ["a"]}, {"k": ["a"]}, {"k": ["a"]}),
        ({"k": [1]}, {"k": 7}, {"k": 1}, {"k": 7}),
        ({"k": 1}, {"k": ["a"]}, {"k": ["a"]}, {"k": ["a"]}),
        ({"k": 1, "gone": 1}, {"k": 2, "put": [1]}, {"k": 1}, {"k": 2, "put": [1]}),
        ({"k": 1}, {}, {"k": 0}, {"k": 1}),
    ],
)  # fmt: skip
async def test_a_change_is_merged_with_what_is_stored(db, stored, put, merged, expected):
    await db.create_session(a_session("chat", session_state=stored), owner="alice")
    await accepted(db, run := a_run())
    change = StateChange(put, ["gone"], merged)
    run.status = RunStatus.COMPLETED
    returned = await db.finish_run(run, change, owner="alice")
    assert await state_of(db) == expected
    assert returned == {key: expected[key] for key in returned}
    assert await states(db) == [expected]


async def test_runs_that_overlap_lose_nothing_that_they_add_or_append(db):
    runs = [await begun(db) for _ in range(20)]
    for number, (_, state, _) in enumerate(runs):
        state.add("n", 1)
        state.append("items", number)
    await asyncio.gather(*(ended(db, *each) for each in runs))
    state = await state_of(db)
    assert (state["n"], sorted(state["items"])) == (20, [*range(20)])
    assert sorted(each["n"] for each in await states(db)) == [*range(1, 21)]


async def test_processes_lose_nothing_of_each_other(db, database):
    other = PostgresDb(database, pool_size=2)
    await other.start()
    runs = [(each, await begun(db)) for each in (db, other) * 5]
    for _, (_, state, _) in runs:
        state.add("n", 1)
    await asyncio.gather(*(ended(each, *run) for each, run in runs))
    await other.close()
    assert await state_of(db) == {"n": 10}


async def test_an_assignment_wins_over_what_the_run_itself_added(db):
    (one, first, before), other = await begun(db), await begun(db)
    first.add("n", 1)
    first.values["n"] = 100
    first.append("items", "lost")
    first.values["items"] = ["set"]
    other[1].add("n", 5)
    other[1].append("items", "other")
    await ended(db, *other)
    await ended(db, one, first, before)
    assert await state_of(db) == {"n": 100, "items": ["set"]}


async def test_an_outcome_that_is_stored_twice_is_merged_once(db):
    run, state, before = await begun(db)
    state.add("n", 1)
    await ended(db, run, state, before)
    change = StateChange({"n": 1}, merged={"n": 1})
    assert await db.finish_run(run, change, owner="alice") == {}
    assert await state_of(db) == {"n": 1}


async def test_only_the_owner_and_an_administrator_merge(db):
    await db.create_session(a_session("chat", session_state={"n": 1}), owner="alice")
    change = StateChange({"n": 2}, merged={"n": 1})
    for owner, expected in (("bob", 1), ("alice", 2), (ANYONE, 3)):
        await accepted(db, run := a_run())
        run.status = RunStatus.COMPLETED
        if owner == "bob":
            with pytest.raises(NotFoundError):
                await db.finish_run(run, change, owner=owner)
        else:
            await db.finish_run(run, change, owner=owner)
        assert await state_of(db) == {"n": expected}


async def test_a_run_that_another_worker_has_merges_nothing(db):
    run, state, before = await begun(db, worker_id="w1")
    state.add("n", 1)
    with pytest.raises(RunLostError):
        await ended(db, run, state, before, worker_id="w2")
    assert await state_of(db) == {}
    await ended(db, run, state, before, worker_id="w1")
    assert await state_of(db) == {"n": 1}


async def test_a_run_that_pauses_merges_then_and_again_at_its_end(db):
    run, state, before = await begun(db)
    state.add("n", 1)
    await ended(db, run, state, before, status=RunStatus.PAUSED)
    other = await begun(db)
    other[1].add("n", 1)
    await ended(db, *other)
    await db.reopen_run(run, {}, owner="alice", worker_id="w")
    opened = await db.open_run(run.run_id, reads=RunReads(), worker_id="w")
    again, before = State(opened.session_state), deepcopy(opened.session_state)
    again.add("n", 1)
    assert await state_of(db) == {"n": 2}
    await ended(db, run, again, before, worker_id="w")
    assert await state_of(db) == {"n": 3}


@pytest.fixture
async def small(database):
    db = PostgresDb(database, max_state_bytes=200)
    await db.start()
    yield db
    await db.close()


async def test_a_merged_state_has_a_limit_and_nothing_is_stored_beyond_it(small):
    runs = [await begun(small) for _ in range(3)]
    for _, state, _ in runs:
        state.append("items", "x" * 80)
    await ended(small, *runs[0])
    await ended(small, *runs[1])
    with pytest.raises(StateTooLargeError):
        await ended(small, *runs[2])
    assert await state_of(small) == {"items": ["x" * 80] * 2}
    assert (await small.get_run(runs[2][0].run_id, owner="alice")).status is RunStatus.RUNNING
    await finished(small, runs[2][0], status=RunStatus.ERROR)
    assert await states(small) == [{"items": ["x" * 80] * count} for count in (1, 2, 2)]


async def test_a_state_from_before_the_limit_may_be_merged_if_it_doesnt_grow(small, db):
    await db.create_session(a_session("chat", session_state={"n": 1, "big": "x" * 300}), owner="alice")
    runs = [await begun(small) for _ in range(3)]
    for (_, state, _), n in zip(runs, (1, 2, 1000), strict=True):
        state.add("n", n)
    await ended(small, *runs[0])
    await ended(small, *runs[1])
    with pytest.raises(StateTooLargeError):
        await ended(small, *runs[2])
    assert (await state_of(small))["n"] == 4


async def test_merged_keys_count_towards_the_limit_of_keys(db):
    most = StateTooLargeError.max_keys
    runs = [await begun(db), await begun(db)]
    runs[0][1].values.update({f"k{number}": 0 for number in range(most - 1)}, n=1)
    runs[1][1].add("n", 1)
    runs[1][1].values["more"] = 1
    await ended(db, *runs[0])
    with pytest.raises(StateTooLargeError):
        await ended(db, *runs[1])
    del runs[1][1].values["more"]
    await ended(db, *runs[1])
    assert (await state_of(db))["n"] == 2


async def test_forks_and_earlier_states_know_what_was_merged(db):
    early, late = await begun(db), await begun(db)
    for _, state, _ in (early, late):
        state.add("n", 1)
        state.append("items", "x")
    await ended(db, *late)
    await ended(db, *early)
    middle = await begun(db)
    middle[1].add("n", 10)
    await ended(db, *middle)
    last = await begun(db)
    last[1].values["n"] = 0
    await ended(db, *last)
    twice = {"n": 2, "items": ["x", "x"]}
    assert await states(db) == [twice, {"n": 1, "items": ["x"]}, twice | {"n": 12}, twice | {"n": 0}]
    part = await db.fork_session(
        "chat", new_session_id="part", through_run_id=middle[0].run_id, owner="alice"
    )
    assert part.session_state == twice | {"n": 12}
    assert await states(db, "part") == (await states(db))[:3]
    forked = await begun_in(db, "part")
    forked[1].add("n", 1)
    await ended(db, *forked)
    assert ((await state_of(db, "part"))["n"], (await state_of(db))["n"]) == (13, 0)


async def begun_in(db, session_id):
    opened = await accepted(db, run := a_run(session_id))
    return run, State(opened.session_state), deepcopy(opened.session_state)


@pytest.mark.parametrize(("is_followed", "left"), [(False, 1), (True, 6)])
async def test_a_run_that_is_rolled_back_takes_its_merges_along_unless_others_came_later(
    db, database, is_followed, left
):
    first = await begun(db)
    first[1].add("n", 1)
    await ended(db, *first)
    undone = await begun(db, worker_id="w")
    undone[1].add("n", 4)
    await ended(db, *undone, status=RunStatus.PAUSED, worker_id="w")
    assert await state_of(db) == {"n": 5}
    if is_followed:
        later = await begun(db)
        later[1].add("n", 1)
        await ended(db, *later)
    with administering(database) as connection:
        connection.execute(
            "UPDATE ai.agentos_runs SET cancelling = 'rollback', status = 'RUNNING', executor_id = 'w' "
            "WHERE status = 'PAUSED'"
        )
    await finished(db, undone[0], status=RunStatus.CANCELLED, put={"n": 9}, merged={"n": 4}, worker_id="w")
    assert await db.get_run(undone[0].run_id, owner=ANYONE) is None
    assert await state_of(db) == {"n": left}
    assert (await states(db))[0] == {"n": 1}


KEYS = st.sampled_from("ab")
OPERATIONS = st.one_of(
    st.tuples(st.just("begin"), st.integers(0, 2)),
    st.tuples(st.just("end"), st.integers(0, 2)),
    st.tuples(st.just("add"), st.integers(0, 2), KEYS, st.sampled_from([1, -3, 0, 10**20, 0.5])),
    st.tuples(st.just("append"), st.integers(0, 2), KEYS, st.sampled_from([1, "x", [None]])),
    st.tuples(st.just("put"), st.integers(0, 2), KEYS, st.sampled_from([0, 7, [], ["y"], "text", None])),
    st.tuples(st.just("remove"), st.integers(0, 2), KEYS),
)


class Model:
    """What the session should have: of each run, per key, its assignment or what it merged."""

    def __init__(self):
        self.stored, self.history = {}, []

    def end(self, before, after, merged):
        for key in before.keys() | after.keys():
            if key not in after:
                self.stored.pop(key, None)
            elif key in merged and (now := combined(self.stored, key, merged[key])) is not None:
                self.stored[key] = now
            elif key not in before or before[key] != after[key]:
                self.stored[key] = after[key]
        self.history.append(deepcopy(self.stored))


def combined(state, key, merge):
    """None if the value is something else."""
    value = state.get(key, [] if isinstance(merge, list) else 0)
    fits = isinstance(value, list) if isinstance(merge, list) else isinstance(value, int | float)
    return value + merge if fits else None


class Player:
    """A run, with what it did to each key: the numbers that it added, items, or an assignment."""

    def __init__(self, run, state, before):
        self.run, self.state, self.before = run, state, before
        self.merges, self.touched = {}, set()

    def play(self, name, key, value=None):
        try:
            getattr(self.state, name)(key, value)
        except TypeError:
            return
        self.merges.setdefault(key, []).append(value)

    def assign(self, key, value):
        self.state.values[key] = deepcopy(value)
        self.touched.add(key)

    def remove(self, key):
        if self.state.values.pop(key, None) is not None:
            self.touched.add(key)

    def merged(self):
        """By key, what was merged and nothing else: or what comes to the same."""
        found = {}
        for key, values in self.merges.items():
            after = self.state.values.get(key)
            is_list = isinstance(after, list)
            whole = values if is_list else sum(value for value in values if not isinstance(value, str | list))
            kept = key not in self.touched or combined(self.before, key, whole) == after
            if kept and (is_list or isinstance(after, int | float)):
                found[key] = whole
        return found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATIONS, max_size=30))
async def test_interleaved_runs_leave_what_each_did_in_the_order_of_their_ends(db, operations):
    await db.delete_sessions(["chat"], owner="alice")
    await db.create_session(a_session("chat", session_state={"a": 1}), owner="alice")
    model, live, order = Model(), {}, []
    model.stored = {"a": 1}
    for name, number, *rest in [*operations, ("end", 0), ("end", 1), ("end", 2)]:
        if name == "begin" and number not in live:
            live[number] = Player(*await begun(db))
        elif name == "end" and number in live:
            player = live.pop(number)
            model.end(player.before, player.state.values, player.merged())
            await ended(db, player.run, player.state, player.before)
            order.append(player.run.run_id)
            assert await state_of(db) == model.stored
        elif number in live and name in {"add", "append"}:
            live[number].play(name, *rest)
        elif number in live and name == "put":
            live[number].assign(*rest)
        elif number in live and name == "remove":
            live[number].remove(*rest)
    found = {run.run_id: run.session_state for run in await db.list_runs("chat", owner="alice")}
    assert [found[run_id] for run_id in order] == model.history


async def test_a_patch_between_is_merged_with_too(db):
    run, state, before = await begun(db, session_state={"n": 1})
    state.add("n", 1)
    await db.update_session("chat", SessionChange(session_state={"n": 10}), owner="alice")
    await ended(db, run, state, before)
    assert await state_of(db) == {"n": 11}
