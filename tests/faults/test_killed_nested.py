"""Durable runs with nested ones, killed at every boundary of a step of each: what was done is done once."""

from __future__ import annotations

from collections import Counter

from tests.faults.cluster import Cluster, Replica
from tests.faults.follower import Follower, Frame, check, raw, said, spoken
from tests.faults.stage import Stage

TURN = ["model-{}", "model-{} speaks", "model-{} has spoken"]
TOOLS = {"": "", "/left": "", "/left/deep": "count", "/right": "look"}
"""The runs of a tree by what they are called after their root, and the places in their tools."""
AGENTS = {"": "nesting", "/left": "left", "/left/deep": "deep", "/right": "right"}
BESIDE = {"": "", "/left": "/right", "/left/deep": "/right", "/right": "/left"}
"""Which run is executed at the same time."""


def turn(number: int) -> list[str]:
    return [place.format(number) for place in TURN]


def steps(run: str) -> list[list[str]]:
    """The places of each step of a run, in order."""
    tools = [[TOOLS[run]]] if TOOLS[run] else []
    return [turn(1), *tools, turn(2)]


def expected(held: tuple[str, str]) -> dict[str, Counter[str]]:
    """How often each run of a tree has come to each place that it was killed at once."""
    run, place = held
    takes = {each: Counter(place for step in steps(each) for place in step) for each in TOOLS}
    (step,) = [step for step in steps(run) if place in step]
    takes[run].update(step[: step.index(place) + 1])
    return takes


async def test_each_step_of_each_run_is_done_once_wherever_the_process_is_killed(
    cluster: Cluster, stage: Stage
):
    dying, survivor = await cluster.start(2)
    held = [(run, place) for run in TOOLS for step in steps(run) for place in step]
    runs: dict[str, Follower] = {}
    for number, (run, place) in enumerate(held):
        label = f"fickle {number}" if number % 2 else str(number)
        stage.hold(label + run, place)
        runs[label] = dying.run("nesting", label)
    for (label, follower), (run, place) in zip(runs.items(), held, strict=True):
        await stage.reached(label + run, place)
        if beside := BESIDE[run]:
            await nested_ended(follower, AGENTS[beside])
    await dying.kill()
    for (label, follower), (run, _) in zip(runs.items(), held, strict=True):
        await follower.ended()
        stage.let_go(label + run)
    for (label, follower), place in zip(runs.items(), held, strict=True):
        await whole(survivor, follower)
        takes = {run: stage.takes(label + run) for run in TOOLS}
        assert takes == expected(place), place


async def nested_ended(follower: Follower, agent: str) -> None:
    """Returns once the tool's call is over in which a nested run of the agent was begun."""

    def over() -> bool:
        return any(
            frame.event == "ToolCallCompleted" and frame.data["tool"]["tool_name"] == agent
            for frame in follower.frames
        )

    await follower.until(over, f"the end of {agent}")


async def whole(survivor: Replica, seen: Follower) -> None:
    """What was seen before and after is the unbroken story of one run, and of each that is a part of it."""
    rest = survivor.follow("nesting", seen.run_id, after=seen.last)
    frames = seen.frames + await rest.ended()
    check(frames)
    assert raw(frames) == raw(await survivor.follow("nesting", seen.run_id).ended())
    by_run: dict[str, list[Frame]] = {}
    for frame in frames:
        by_run.setdefault(frame.data["run_id"], []).append(frame)
    assert len(by_run) == len(AGENTS)
    for run_id, own in by_run.items():
        names = Counter(frame.event for frame in own)
        assert (names["RunStarted"], names["RunCompleted"]) == (1, 1)
        run = await survivor.get(own[0].data["agent_id"], run_id)
        assert run["status"] == "COMPLETED"
        assert said(own) == spoken(run)
