"""A segment that is begun again with the steps that its process had recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agentos.agent import Agent
from agentos.agent.pauses import CUT_OFF
from agentos.db.base import Db
from agentos.db.contracts.memories import MemoryQuery
from agentos.memory import MemoryManager
from agentos.run.events import RunContent, RunEvent
from agentos.run.records import RunOutput
from agentos.tools import Tool, idempotency_key, tool
from tests.agent.models import call, scripted
from tests.agent.recorded import Recorded, begun, played

CALLS = [call("act", {"what": "a"}, "x"), call("act", {"what": "b"}, "y")]


def acting(*, idempotent: bool) -> tuple[Tool, list[tuple[str, str]]]:
    """A tool, and what it was called with under which key."""
    made: list[tuple[str, str]] = []

    @tool(idempotent=idempotent)
    async def act(what: str) -> str:
        """Does something, without waiting: two at once end in the same turn of the event loop."""
        made.append((what, idempotency_key()))
        return f"did {what}"

    return act, made


def agent(act: Tool) -> Agent:
    """One that thinks, acts twice at once, acts again and answers."""
    return Agent(model=scripted(CALLS, [call("act", {"what": "c"}, "x")], "done")[0], tools=[act])


def names(events: list[RunEvent]) -> list[str]:
    return [event.event for event in events]


async def test_steps_have_names_that_tell_them_apart_in_the_whole_run() -> None:
    steps = Recorded()
    await played(agent(acting(idempotent=False)[0]), begun(steps))
    assert steps.names == [
        "model-1", "tool-1-0-begun", "tool-1-1-begun", "tool-1-0", "tool-1-1",
        "model-2", "tool-2-0-begun", "tool-2-0", "model-3",
    ]  # fmt: skip


@pytest.mark.parametrize("step", ["model-1", "tool-1-0", "tool-1-1", "model-2", "tool-2-0", "model-3"])
async def test_a_segment_goes_on_at_the_step_that_wasnt_recorded(step: str) -> None:
    whole_agent, whole = agent(acting(idempotent=True)[0]), begun(Recorded())
    expected = await played(whole_agent, whole)
    act, made = acting(idempotent=True)
    steps = Recorded()
    steps.dies_in = step
    first = await played(agent(act), begun(steps))
    assert len(first) < len(expected)
    steps.dies_in = None
    turns = {"model-1": CALLS, "model-2": [call("act", {"what": "c"}, "x")], "model-3": "done"}
    left = [turn for name, turn in turns.items() if name not in steps.results]
    again = begun(steps)
    second = await played(Agent(model=scripted(*left)[0], tools=[act]), again)
    assert sorted(names(second)) == sorted(names(expected))
    assert again.run.content == "done"
    assert [t.result for t in again.run.tools] == [t.result for t in whole.run.tools]
    cut_off = {"tool-1-0": "a", "tool-1-1": "b", "tool-2-0": "c"}.get(step)
    assert sorted(what for what, _ in made) == sorted([*"abc", *([cut_off] if cut_off else [])])


async def test_a_call_has_one_key_however_often_it_is_made_and_no_other_has_it() -> None:
    act, made = acting(idempotent=True)
    steps = Recorded()
    await played(agent(act), begun(steps))
    steps.results = {name: result for name, result in steps.results.items() if name.startswith("model")}
    await played(agent(act), begun(steps))
    keys = {what: {key for each, key in made if each == what} for what in "abc"}
    assert [len(found) for found in keys.values()] == [1, 1, 1]
    assert len(set[str]().union(*keys.values())) == 3
    other = begun(Recorded())
    other.run.run_id = "another"
    await played(agent(act), other)
    assert len({key for _, key in made}) == 6


async def test_a_recorded_turn_is_shown_as_one_piece() -> None:
    steps = Recorded()
    live = await played(Agent(model=scripted("Hello there")[0]), begun(steps))
    again = await played(Agent(model=scripted()[0]), begun(steps))
    assert [e.content for e in again if isinstance(e, RunContent)] == ["Hello there"]
    assert names(again) == names(live)
    unseen = begun(steps)
    unseen.request = unseen.request.model_copy(update={"stream": False})
    assert "RunContent" not in names(await played(Agent(model=scripted()[0]), unseen))


async def cut(step: str) -> tuple[Recorded, Tool, list[tuple[str, str]], RunOutput]:
    """A segment whose process died in a call that can't be made twice, begun again."""
    act, made = acting(idempotent=False)
    steps = Recorded()
    steps.dies_in = step
    await played(agent(act), begun(steps))
    steps.dies_in = None
    again = begun(steps)
    events = await played(agent(act), again)
    assert names(events)[-1] == "RunContentCompleted"
    return steps, act, made, again.run


async def test_a_call_that_was_cut_off_waits_for_a_person() -> None:
    _, _, made, run = await cut("tool-1-1")
    assert sorted(what for what, _ in made) == ["a", "b"]
    (requirement,) = run.requirements
    assert requirement.id == "y"
    assert requirement.needs_confirmation
    assert requirement.tool_execution.confirmation_note == CUT_OFF
    assert [m.content for m in run.messages if m.role == "tool"] == ["did a"]


async def test_a_call_that_ended_before_the_process_died_isnt_cut_off() -> None:
    act, made = acting(idempotent=False)
    steps = Recorded()
    steps.dies_in = "model-2"
    await played(agent(act), begun(steps))
    steps.dies_in = None
    again = begun(steps)
    await played(Agent(model=scripted("done")[0], tools=[act]), again)
    assert again.run.content == "done"
    assert len(made) == 2


@pytest.mark.parametrize("times", [1, 2])
async def test_beginning_again_and_again_comes_to_the_same(times: int) -> None:
    steps, act, made, run = await cut("tool-1-1")
    for _ in range(times):
        again = begun(steps)
        await played(agent(act), again)
        assert [each.id for each in again.run.requirements] == [each.id for each in run.requirements]
    assert len(made) == 2


@pytest.mark.parametrize(
    ("decide", "calls", "told"),
    [
        (lambda r: r.confirm(), 3, "did b"),
        (lambda r: r.reject(), 2, "may or may not have taken effect. It isn't made again."),
        (lambda r: r.reject("I looked: it did."), 2, "made again. They say: I looked: it did."),
    ],
    ids=["again", "not-again", "with-a-note"],
)
async def test_a_person_decides_on_a_call_that_was_cut_off(
    decide: Callable[[object], None], calls: int, told: str
) -> None:
    _, act, made, run = await cut("tool-1-1")
    decide(run.requirements[0])
    model, requests = scripted("done")
    context = begun(Recorded(), run)
    await played(Agent(model=model, tools=[act]), context)
    assert (len(made), context.run.content) == (calls, "done")
    assert (requests[0].messages[-1].content or "").endswith(told)
    assert len({key for what, key in made if what == "b"}) == 1


async def test_what_a_memory_manager_does_is_done_once(db: Db) -> None:
    likes = call("add_memory", {"memory": "Alice likes tea."})

    def remembering(*turns: object) -> Agent:
        keeper = MemoryManager(model=scripted(*turns)[0])  # type: ignore[arg-type]
        return Agent(model=scripted("Noted")[0], db=db, update_memory_on_run=True, memory_manager=keeper)

    steps = Recorded()
    steps.dies_in = "memory-2"
    await played(remembering([likes], "done"), begun(steps))
    steps.dies_in = None
    await played(remembering("done"), begun(steps))
    page = await db.list_memories(MemoryQuery(), owner="alice")
    assert [memory.memory for memory in page.rows] == ["Alice likes tea."]
    assert steps.names == ["model-1", "memory-1", "memory-1-0", "memory-2"]
