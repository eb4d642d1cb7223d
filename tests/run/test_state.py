"""The live state: what is added and appended at once, and what of it merges with other runs."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from agentos.run.state import State


def test_add_and_append_change_the_values_at_once():
    state = State(values := {"n": 1, "kept": True})
    state.add("n", 2)
    state.add("half", 0.5)
    state.append("items", "a")
    state.append("items", {"b": 1})
    assert values == {"n": 3, "half": 0.5, "items": ["a", {"b": 1}], "kept": True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.add("text", 1), "The state's 'text' is of type str: add to a number"),
        (lambda state: state.add("flag", 1), "The state's 'flag' is of type bool: add to a number"),
        (lambda state: state.add("none", 1), "The state's 'none' is None: add to a number"),
        (lambda state: state.add("n", "1"), "Only a number can be added to the state's 'n', not of type str"),
        (lambda state: state.add("n", True), "not of type bool"),
        (lambda state: state.add(1, 1), "The state's keys are strings, not of type int"),
        (lambda state: state.append("n", 1), "The state's 'n' is of type int: append to a list"),
        (lambda state: state.append("none", 1), "The state's 'none' is None: append to a list"),
        (lambda state: state.append(None, 1), "The state's keys are strings, not None"),
    ],
)
def test_what_has_the_wrong_type_is_refused_and_changes_nothing(change, message):
    state = State({"text": "1", "flag": True, "none": None, "n": 1})
    with pytest.raises(TypeError, match=message):
        change(state)
    assert state.merged_since({}) == ({"text": "1", "flag": True, "none": None, "n": 1}, {})


@pytest.mark.parametrize("n", [math.inf, -math.inf, math.nan, 1.7e308, 10**400])
def test_a_sum_is_finite(n):
    state = State({"n": 1.7e308})
    with pytest.raises(ValueError, match="would not be finite"):
        state.add("n", n)
    state.add("n", -1.7e308)
    assert state.values == {"n": 0.0}


def test_threads_lose_nothing():
    state, together = State(), Barrier(8)

    def work(_: int) -> None:
        together.wait(20)
        for number in range(500):
            state.add("n", 1)
            state.append("items", number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    after, merged = state.merged_since({})
    assert (after["n"], len(after["items"]), merged) == (4000, 4000, after)


def setting(**values):
    return lambda state: state.values.update(values)


def adding(n):
    return lambda state: state.add("k", n)


def appending(item):
    return lambda state: state.append("k", item)


@pytest.mark.parametrize(
    ("before", "changes", "after", "merged"),
    [
        ({}, [adding(1), adding(2)], {"k": 3}, {"k": 3}),
        ({"k": 4}, [adding(0.5)], {"k": 4.5}, {"k": 0.5}),
        ({"k": 0.1}, [adding(0.2), adding(-0.3)], {"k": 5.551115123125783e-17}, {"k": -0.09999999999999998}),
        ({"k": 4}, [adding(1), setting(k=9)], {"k": 9}, {}),
        ({"k": 4}, [setting(k=9), adding(1)], {"k": 10}, {}),
        ({"k": 4}, [adding(1), setting(k=9), adding(1)], {"k": 10}, {}),
        ({"k": 4}, [adding(1), lambda state: state.values.pop("k")], {}, {}),
        ({"k": 4}, [adding(1), setting(other=1)], {"k": 5, "other": 1}, {"k": 1}),
        ({"k": "x"}, [setting(k=0), adding(1)], {"k": 1}, {}),
        ({}, [appending(1), appending([2])], {"k": [1, [2]]}, {"k": [1, [2]]}),
        ({"k": [0]}, [appending(1)], {"k": [0, 1]}, {"k": [1]}),
        ({"k": [0]}, [appending(1), setting(k=[5])], {"k": [5]}, {}),
        ({"k": [0]}, [appending(1), lambda state: state.values["k"].append(2)], {"k": [0, 1, 2]}, {}),
        ({"k": [0]}, [lambda state: state.values["k"].pop(), appending(1)], {"k": [1]}, {}),
        ({"k": 1}, [adding(1), setting(k=[]), appending(1)], {"k": [1]}, {}),
        ({}, [appending(b"x"), appending({1})], {"k": ["x", [1]]}, {"k": ["x", [1]]}),
    ],
)  # fmt: skip
def test_a_key_that_is_changed_in_another_way_too_is_not_merged(before, changes, after, merged):
    state = State({key: [*value] if isinstance(value, list) else value for key, value in before.items()})
    for change in changes:
        change(state)
    assert state.merged_since(before) == (after, merged)


def test_an_item_may_still_be_changed():
    state = State()
    state.append("tasks", task := {"done": False})
    task["done"] = True
    assert state.merged_since({}) == ({"tasks": [{"done": True}]}, {"tasks": [{"done": True}]})


async def test_a_watch_tells_its_own_merges_from_those_of_others():
    state = State({"n": 0, "set": 0, "both": 0})
    began, ended = asyncio.Event(), asyncio.Event()

    async def other():
        with state.watched() as watch:
            began.set()
            with watch.inside():
                await asyncio.to_thread(state.add, "n", 10)
                state.values["set"] = 1
                state.add("both", 10)
            await ended.wait()
            return state.change_in(watch)

    with state.watched() as mine:
        theirs = asyncio.create_task(other())
        await began.wait()
        with mine.inside():
            await asyncio.create_task(asyncio.to_thread(state.add, "n", 1))
            state.values["both"] = 7
        assert state.values["n"] in (1, 11)
        ended.set()
        assert await theirs == ({"n": 0, "set": 1, "both": 7}, {"n": 10})
        assert state.change_in(mine) == ({"n": 0, "set": 1, "both": 7}, {"n": 1})
    assert state.merged_since({"n": 0, "set": 0, "both": 0})[1] == {"n": 11}


def test_what_is_undone_is_not_merged():
    state = State({"n": 0})
    state.add("n", 1)
    with state.watched() as watch, watch.inside():
        state.add("n", 5)
        state.append("items", "x")
        state.undo(watch)
        assert state.change_in(watch) == ({"n": 1}, {})
    state.add("n", 2)
    assert state.merged_since({"n": 0}) == ({"n": 3}, {"n": 3})


def test_the_merges_of_another_tree_are_no_part_of_a_watch():
    state, other = State(), State()
    with state.watched() as watch, watch.inside():
        other.add("n", 1)
        assert state.change_in(watch) == ({}, {})
    assert other.merged_since({}) == ({"n": 1}, {"n": 1})
