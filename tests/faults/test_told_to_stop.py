"""Processes that are told to stop: what they have ends, or goes to others."""

import asyncio

import httpx
import pytest

from tests.faults.cluster import Cluster, Replica
from tests.faults.follower import TERMINAL, check, raw, said, spoken
from tests.faults.stage import Stage


async def refused(replica: Replica) -> None:
    """Nobody is let in any more."""
    await asyncio.to_thread(replica.process.wait_for, "Shutting down")
    with pytest.raises(httpx.TransportError):
        await replica.post("/agents/talker/runs", message="late", background=True, stream=False)


async def test_a_durable_run_goes_on_elsewhere_and_another_ends_where_it_is(cluster: Cluster, stage: Stage):
    leaving, staying = await cluster.start(2, DEAD_SECONDS="3600")
    stage.hold("handed over", "model-2 speaks")
    stage.hold("ends here", "model-2 speaks")
    durable, plain = leaving.run("durable", "handed over"), leaving.run("plain", "ends here")
    elsewhere = leaving.follow("plain", (await staying.run("talker", "x").ended())[0].data["run_id"])
    await elsewhere.ended()
    for label in ("handed over", "ends here"):
        await stage.reached(label, "model-2 speaks")
    leaving.stop()
    seen = await durable.ended()
    assert durable.is_whole
    assert not [frame for frame in seen if frame.event in TERMINAL]
    await refused(leaving)
    stage.let_go("ends here")
    check(await plain.ended())
    assert plain.is_whole
    await leaving.stopped()
    stage.let_go("handed over")
    frames = seen + await staying.follow("durable", durable.run_id, after=durable.last).ended()
    check(frames)
    assert said(frames) == spoken(await staying.get("durable", durable.run_id))
    assert raw(await staying.follow("durable", durable.run_id).ended()) == raw(frames)
    takes = stage.takes("handed over")
    assert (takes["model-1"], takes["look"], takes["count"], takes["model-2"]) == (1, 1, 1, 2)
    assert stage.takes("late") == {}


async def test_a_follower_of_a_run_elsewhere_is_sent_away(cluster: Cluster, stage: Stage):
    leaving, staying = await cluster.start(2)
    stage.hold("it", "model-1 speaks")
    run = staying.run("talker", "it")
    follower = leaving.follow("talker", await run.begun())
    await follower.reached("RunContent")
    leaving.stop()
    assert (await follower.ended())[-1].event == "RunContent"
    assert follower.is_whole
    await leaving.stopped()
    stage.let_go("it")
    rest = await staying.follow("talker", run.run_id, after=follower.last).ended()
    assert raw(follower.frames + rest) == raw(await run.ended())


async def test_a_worker_does_what_servers_have_no_room_for(cluster: Cluster, stage: Stage):
    settings = {"DURABLE": "1", "DEAD_SECONDS": "3600"}
    (server,) = await cluster.start(**settings, QUEUE='{"max_running_per_process": 1}')
    stage.hold("fills it", "model-1")
    filling = server.run("talker", "fills it")
    await stage.reached("fills it", "model-1")
    worker = await cluster.worker(**settings)
    stage.hold("background", "look")
    run_id = await server.start("plain", "background")
    await stage.reached("background", "look")
    assert {each.pid for each in stage.arrivals if each.label == "background"} == {worker.pid}
    second = await cluster.worker(**settings)
    worker.stop()
    await worker.stopped()
    await stage.reached("background", "look", times=2)
    stage.let_go("background")
    check(await server.follow("plain", run_id).ended())
    takes = stage.takes("background")
    assert (takes["model-1"], takes["look"], takes["model-2"]) == (1, 2, 1)
    stage.let_go("fills it")
    check(await filling.ended())
    second.stop()
    await second.stopped()
