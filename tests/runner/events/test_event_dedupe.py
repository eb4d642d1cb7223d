"""A segment that runs again adds to the log exactly what was missing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agentos.run.events import (
    ModelRequestCompleted,
    ModelRequestStarted,
    Origin,
    RunCompleted,
    RunContent,
    RunContinued,
    RunEvent,
    RunStarted,
    TaskIterationCompleted,
    TaskIterationStarted,
    TaskUpdated,
    ToolCallCompleted,
    ToolCallStarted,
)
from agentos.run.messages import ToolExecution
from agentos.runner.events.dedupe import Dedupe

CALL = ToolExecution(tool_call_id="c", tool_name="t")


def run(*turns: list[str]) -> list[RunEvent]:
    """A run with these texts, each in pieces; between two turns a tool is called."""
    events: list[RunEvent] = [RunStarted()]
    for number, pieces in enumerate(turns):
        if number:
            events += [ToolCallStarted(tool=CALL), ToolCallCompleted(tool=CALL)]
        events += [ModelRequestStarted(), *(RunContent(content=piece) for piece in pieces)]
        events.append(ModelRequestCompleted())
    return [*events, RunCompleted()]


def stamped(events: list[RunEvent]) -> list[RunEvent]:
    for seq, event in enumerate(events, 1):
        event.seq = seq
    return events


def spelled(events: list[RunEvent]) -> list[str]:
    """Names and texts, one letter at a time: how a text is cut into pieces doesn't matter."""
    return [
        letter
        for event in events
        for letter in (event.content if isinstance(event, RunContent) else [event.event])
    ]


pieces = st.lists(st.text("abc", min_size=1, max_size=3), max_size=4)


@given(turns=st.lists(pieces, min_size=1, max_size=4), cuts=st.data())
def test_wherever_it_was_cut_the_whole_is_what_an_unbroken_run_says(turns, cuts) -> None:
    whole = stamped(run(*turns))
    cut = cuts.draw(st.integers(0, len(whole) - 1))
    replay = Dedupe(whole[:cut])
    news = [part for event in run(*turns) for part in replay.news(event)]
    assert spelled(whole[:cut] + news) == spelled(whole)


@given(turns=st.lists(pieces, min_size=1, max_size=3), cuts=st.data())
def test_recorded_turns_that_come_back_in_one_piece_add_only_what_is_missing(turns, cuts) -> None:
    whole = stamped(run(*turns))
    cut = cuts.draw(st.integers(0, len(whole) - 1))
    replay = Dedupe(whole[:cut])
    again = run(*(["".join(each)] if any(each) else [] for each in turns))
    news = [part for event in again for part in replay.news(event)]
    assert spelled(whole[:cut] + news) == spelled(whole)


@given(first=st.text("ab", min_size=1), second=st.text("ab"))
def test_a_model_that_says_something_else_takes_back_what_it_said(first: str, second: str) -> None:
    logged = stamped([RunStarted(), ModelRequestStarted(), *(RunContent(content=each) for each in first)])
    replay = Dedupe(logged)
    news = [part for event in run(list(second)) for part in replay.news(event)]
    void = [event.discarded_from for event in news if isinstance(event, RunContinued)]
    assert void == ([] if second.startswith(first) else [3])
    kept = logged[:2] if void else logged
    said = [event for event in kept + news if isinstance(event, RunContent)]
    assert "".join(event.content for event in said) == second


def test_a_second_death_during_the_taking_back_is_survived() -> None:
    logged = [RunStarted(), ModelRequestStarted(), RunContent(content="old")]
    first = Dedupe(stamped(logged))
    news = [part for event in run(["new"])[:-2] for part in first.news(event)]
    second = Dedupe(stamped(logged + news))
    assert [part.event for event in run(["new"]) for part in second.news(event)] == [
        "ModelRequestCompleted",
        "RunCompleted",
    ]


def test_events_of_tasks_are_told_apart() -> None:
    def changes() -> list[RunEvent]:
        states = ["pending", "in_progress", "failed", "in_progress", "completed"]
        events: list[RunEvent] = []
        for number in (1, 2):
            events.append(TaskIterationStarted(iteration=number, max_iterations=2))
            events += [
                TaskUpdated(task_id=f"task-{number}", title="T", status=after, previous_status=before)
                for before, after in pairwise(states)
            ]
            events.append(TaskIterationCompleted(iteration=number, max_iterations=2, task_summary=""))
        return events

    for cut in range(len(changes())):
        replay = Dedupe(stamped(changes()[:cut]))
        news = [part for event in changes() for part in replay.news(event)]
        assert news == changes()[cut:]


def interleaved(first: list[RunEvent], second: list[RunEvent], order: list[bool]) -> list[RunEvent]:
    """The events of two runs, each in its own order."""
    left = [list(first), list(second)]
    events: list[RunEvent] = []
    for is_second in [*order, *[False] * len(first), *[True] * len(second)]:
        if left[is_second]:
            event = left[is_second].pop(0)
            event.origin = MEMBERS[is_second]
            events.append(event)
    return events


MEMBERS = [
    Origin(kind="agent", id="member", name=None, run_id=run_id, session_id="s", parent_run_id="root")
    for run_id in ("one", "two")
]
orders = st.lists(st.booleans(), max_size=12)


@given(
    turns=st.tuples(*[st.lists(pieces, min_size=1, max_size=2)] * 2),
    order=orders,
    again=orders,
    cuts=st.data(),
)
def test_two_runs_that_speak_at_once_lose_and_void_nothing(turns, order, again, cuts) -> None:
    whole = stamped(interleaved(*(run(*each) for each in turns), order))
    cut = cuts.draw(st.integers(0, len(whole) - 1))
    replay = Dedupe(whole[:cut])
    news = [
        part for event in interleaved(*(run(*each) for each in turns), again) for part in replay.news(event)
    ]
    for member in MEMBERS:
        said = [event for event in whole[:cut] + news if event.origin == member]
        assert spelled(said) == spelled([event for event in whole if event.origin == member])
