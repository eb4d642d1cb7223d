"""Durable runs whose process is killed: what was done is done once, and whoever follows misses nothing."""

from __future__ import annotations

from tests.conftest import administering
from tests.faults.cluster import Cluster, Replica
from tests.faults.follower import Follower, check, raw, said, spoken
from tests.faults.stage import Stage
from tests.runner.durable.segments import until

ONCE = {
    "model-1": 1,
    "model-1 speaks": 1,
    "model-1 has spoken": 1,
    "look": 1,
    "count": 1,
    "model-2": 1,
    "model-2 speaks": 1,
    "model-2 has spoken": 1,
}
TURN_1, TURN_2 = list(ONCE)[:3], list(ONCE)[5:]
# Where a run is when its process is killed, and where it comes again: to the places of the step it is in.
REPEATED = {
    "model-1": TURN_1[:1],
    "model-1 speaks": TURN_1[:2],
    "model-1 has spoken": TURN_1,
    "look count": ["look", "count"],
    "look": ["look"],
    "count": ["count"],
    "model-2": TURN_2[:1],
    "model-2 speaks": TURN_2[:2],
    "model-2 has spoken": TURN_2,
}


async def stand(stage: Stage, label: str, follower: Follower) -> None:
    """Returns once the run stands where it is held, and everything before is recorded."""
    for place in stage.held(label):
        await stage.reached(label, place)
    if stage.held(label) in (["look"], ["count"]):
        await follower.reached("ToolCallCompleted")  # of two tools that run at once the other one


def hold(stage: Stage, label: str, places: str) -> None:
    stage.hold(label, *(places.split() if places == "look count" else [places]))


def taken(places: str) -> dict[str, int]:
    return {place: 1 + (place in REPEATED[places]) for place in ONCE}


async def finished(survivor: Replica, agent: str, seen: Follower) -> None:
    """Follows a run from where its connection was lost; all of it must be one run's unbroken story."""
    rest = survivor.follow(agent, seen.run_id, after=seen.last)
    whole = survivor.follow(agent, seen.run_id)
    frames = seen.frames + await rest.ended()
    check(frames)
    assert raw(frames) == raw(await whole.ended())
    run = await survivor.get(agent, seen.run_id)
    assert run["status"] == "COMPLETED"
    assert said(frames) == spoken(run)
    assert said(frames).endswith(run["content"])


async def test_a_streamed_run_killed_anywhere_is_finished_by_a_process_that_lives(
    cluster: Cluster, stage: Stage
):
    dying, survivor = await cluster.start(2)
    runs: dict[str, Follower] = {}
    for places in REPEATED:
        for label in (places, f"fickle {places}"):
            hold(stage, label, places)
            runs[label] = dying.run("durable", label)
    for label, follower in runs.items():
        await stand(stage, label, follower)
        await follower.begun()
    await dying.kill()
    for label, follower in runs.items():
        await follower.ended()
        assert not follower.is_whole
        stage.let_go(label)
    for label, follower in runs.items():
        await finished(survivor, "durable", follower)
        assert stage.takes(label) == taken(label.removeprefix("fickle ")), label
    spoken_again = runs["fickle model-2 speaks"].run_id
    assert "again5" in (await survivor.get("durable", spoken_again))["content"]


async def test_a_run_in_the_background_outlives_two_restarts(cluster: Cluster, stage: Stage):
    (process,) = await cluster.start(DURABLE="1")
    runs = {}
    for places in REPEATED:
        hold(stage, places, places)
        runs[places] = process.run("plain", places, background=True)
    for times in (1, 2):
        for places, follower in runs.items():
            for place in stage.held(places):
                await stage.reached(places, place, times)
            await follower.begun()
        await recorded(cluster)
        await process.kill()
        (process,) = await cluster.start(DURABLE="1")
    for places, follower in runs.items():
        stage.let_go(places)
        await finished(process, "plain", follower)
        assert stage.takes(places) == {place: 1 + 2 * (place in REPEATED[places]) for place in ONCE}, places


async def test_an_outcome_that_is_stored_is_not_worked_out_again(cluster: Cluster, stage: Stage):
    dying, survivor = await cluster.start(2)
    stage.hold("it", "model-1 has spoken")
    follower = dying.run("durable-talker", "it")
    await stage.reached("it", "model-1 has spoken")
    with administering(cluster.database) as connection, connection.transaction():
        # The engine's own record of the end waits for this, the outcome doesn't.
        connection.execute("LOCK TABLE dbos.workflow_status IN SHARE MODE")
        stage.let_go("it")
        frames = await follower.ended()
        await dying.kill()
    check(frames)
    after = survivor.run("durable-talker", "later")
    check(await after.ended())
    assert raw(await survivor.follow("durable-talker", follower.run_id).ended()) == raw(frames)
    assert stage.takes("it") == dict.fromkeys(TURN_1, 1)


async def test_a_call_that_must_not_be_made_twice_waits_for_a_person(cluster: Cluster, stage: Stage):
    dying, survivor = await cluster.start(2)
    places = {"agreed": "charge", "refused": "charge", "over": "model-2"}
    runs = {label: dying.run("careful", label) for label in places}
    for label, place in places.items():
        stage.hold(label, place)
    for label, place in places.items():
        await stage.reached(label, place)
    await dying.kill()
    for label in places:
        stage.let_go(label)
    for label, confirmed, times in (("agreed", True, 2), ("refused", False, 1)):
        seen = await runs[label].ended()
        run_id = runs[label].run_id
        cut = seen + await survivor.follow("careful", run_id, after=seen[-1].id).ended()
        assert cut[-1].event == "RunPaused"
        (asked,) = (await survivor.get("careful", run_id))["requirements"]
        answer = {"tool_call_id": asked["tool_execution"]["tool_call_id"], "confirmed": confirmed}
        rest = survivor.proceed("careful", run_id, [answer])
        check(cut + await rest.ended(), pauses=1)
        assert stage.takes(label)["charge"] == times
    await finished(survivor, "careful", runs["over"])
    assert stage.takes("over")["charge"] == 1


async def recorded(cluster: Cluster) -> None:
    """Once of each pair of tools the one that isn't held is recorded."""
    query = """
        SELECT count(*) FROM dbos.operation_outputs AS o
        JOIN ai.agentos_runs AS r ON o.workflow_uuid = r.run_id || ':0'
        WHERE r.input ->> 'input_content' IN ('look', 'count') AND starts_with(o.function_name, 'tool-')
    """
    await until(lambda: cluster.rows(query) == [(2,)])
