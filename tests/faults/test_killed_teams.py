"""Durable teams, killed at every boundary of a step of each run, and continued by another process."""

from __future__ import annotations

from collections import Counter

from tests.faults.cluster import Cluster, Replica
from tests.faults.follower import Follower, Frame, check, raw, said, spoken
from tests.faults.stage import Stage

Places = dict[str, list[list[str]]]


def turn(number: int) -> list[str]:
    return [place.format(number) for place in ("model-{}", "model-{} speaks", "model-{} has spoken")]


ALPHA, BETA = [turn(1), ["look"], turn(2)], [turn(1), ["count"], turn(2)]
TEAMS: dict[str, Places] = {
    "teams/duo": {"": [turn(1), turn(2)], "/alpha": ALPHA, "/beta": BETA},
    "teams/router": {"": [turn(1)], "/alpha": ALPHA},
}
"""The runs of each team by what they are called after their root, and the places of each of their steps."""
BESIDE = {"/alpha": "beta", "/beta": "alpha"}
"""Which member of the first is asked at the same time."""


def expected(steps: Places, run: str, place: str) -> dict[str, Counter[str]]:
    """How often each run has come to each of its places, if the process was killed once, at this one."""
    takes = {each: Counter(place for step in steps[each] for place in step) for each in steps}
    (step,) = [step for step in steps[run] if place in step]
    takes[run].update(step[: step.index(place) + 1])
    return takes


async def test_each_step_of_a_team_is_done_once_wherever_its_process_is_killed(
    cluster: Cluster, stage: Stage
):
    dying, survivor = await cluster.start(2)
    held: dict[str, tuple[str, str, str]] = {}
    for team, steps in TEAMS.items():
        for run, place in [(run, place) for run, own in steps.items() for step in own for place in step]:
            label = f"fickle {len(held)}" if len(held) % 2 else str(len(held))
            held[label] = team, run, place
            stage.hold(label + run, place)
    runs = {label: dying.run(team, label) for label, (team, _, _) in held.items()}
    for label, (team, run, place) in held.items():
        await stage.reached(label + run, place)
        if team == "teams/duo" and run:
            await answered(runs[label], BESIDE[run])
    await dying.kill()
    for label, (_, run, _) in held.items():
        await runs[label].ended()
        stage.let_go(label + run)
    for label, (team, run, place) in held.items():
        frames = await whole(survivor, team, runs[label])
        assert len({frame.data["run_id"] for frame in frames}) == len(TEAMS[team])
        takes = {each: stage.takes(label + each) for each in TEAMS[team]}
        assert takes == expected(TEAMS[team], run, place), (team, run, place)


async def test_a_pause_in_a_grandchild_is_continued_by_the_other_process(cluster: Cluster, stage: Stage):
    one, other = await cluster.start(2)
    run = one.run("teams/patient", "go")
    assert (await run.ended())[-1].event == "TeamRunPaused"
    (wanted,) = (await other.get("teams/patient", run.run_id))["requirements"]
    assert wanted["member_agent_id"] == "payer"
    await one.kill()
    answer = {**wanted["tool_execution"], "confirmed": True, "tool_args": {"amount": 5000}}
    rest = other.proceed("teams/patient", run.run_id, [answer])
    frames = run.frames + await rest.ended()
    check(frames, pauses=1)
    assert raw(await other.follow("teams/patient", run.run_id).ended()) == raw(frames)
    below = {"", "/beta", "/inner", "/inner/payer", "/inner/alpha"}
    takes = {each: stage.takes("go" + each) for each in below}
    assert takes["/inner/payer"]["pay 5"] == 1
    assert all(count == 1 for each in takes.values() for count in each.values())
    statuses = cluster.rows("SELECT DISTINCT status FROM ai.agentos_runs")
    assert statuses == [("COMPLETED",)]


async def answered(follower: Follower, member: str) -> None:
    """Returns once the call is over that gave the member its task."""

    def over() -> bool:
        return any(
            frame.event == "TeamToolCallCompleted" and frame.data["tool"]["tool_args"]["member_id"] == member
            for frame in follower.frames
        )

    await follower.until(over, f"the answer of {member}")


async def whole(survivor: Replica, team: str, seen: Follower) -> list[Frame]:
    """What was seen before and after is the unbroken story of one run, and of each that is a part of it."""
    rest = survivor.follow(team, seen.run_id, after=seen.last)
    frames = seen.frames + await rest.ended()
    check(frames)
    assert raw(frames) == raw(await survivor.follow(team, seen.run_id).ended())
    by_run: dict[str, list[Frame]] = {}
    for frame in frames:
        by_run.setdefault(frame.data["run_id"], []).append(frame)
    texts: list[str] = []
    for run_id, own in by_run.items():
        names = Counter(frame.what for frame in own)
        assert (names["RunStarted"], names["RunCompleted"]) == (1, 1)
        run = await survivor.get(own[0].data.get("agent_id", team), run_id)
        assert run["status"] == "COMPLETED"
        texts.append(spoken(run))
        assert team == "teams/router" or said(own) == texts[-1]
    if team == "teams/router":  # what its member says, it says
        assert said(by_run[seen.run_id]) == "".join(texts)
    return frames
