"""Runs that wait for a person while every process is replaced."""

from tests.faults.cluster import Cluster
from tests.faults.follower import check, raw
from tests.faults.stage import Stage


async def test_a_pause_outlives_every_process_and_keeps_its_arguments(cluster: Cluster, stage: Stage):
    before = await cluster.start(2)
    agents = ("paying", "durable-paying")
    paused = {agent: before[0].run(agent, agent) for agent in agents}
    for run in paused.values():
        assert (await run.ended())[-1].event == "RunPaused"
    for replica in before:
        await replica.kill()
    one, other = await cluster.start(2)
    for agent, run in paused.items():
        (asked,) = (await one.get(agent, run.run_id))["requirements"]
        answer = {**asked["tool_execution"], "confirmed": True, "tool_args": {"amount": 5000}}
        rest = other.proceed(agent, run.run_id, [answer])
        frames = run.frames + await rest.ended()
        check(frames, pauses=1)
        assert raw(await one.follow(agent, run.run_id, after=run.last).ended()) == raw(rest.frames)
        assert stage.takes(agent)["pay 5"] == 1
        assert stage.takes(agent)["pay 5000"] == 0
        assert stage.takes(agent)["model-1"] == 1
        again = one.proceed(agent, run.run_id, [answer])
        await again.ended()
        assert again.status == 409
