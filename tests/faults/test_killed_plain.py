"""Runs that nobody can go on with: they end, and say so, wherever they are followed."""

import asyncio
import signal

from tests.conftest import administering
from tests.faults.cluster import Cluster
from tests.faults.follower import check, raw
from tests.faults.stage import Stage

ABANDON = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
"""What a killed process has asked for, and waits in Postgres for a lock."""


async def test_a_run_of_a_killed_process_ends_as_an_error_for_every_follower(cluster: Cluster, stage: Stage):
    (dying,) = await cluster.start()
    stage.hold("watched", "look")
    stage.hold("queued", "model-1 speaks")
    watched = dying.run("plain", "watched")
    queued = await dying.start("talker", "queued")
    await stage.reached("watched", "look")
    await stage.reached("queued", "model-1 speaks")
    (survivor,) = await cluster.start()
    elsewhere = survivor.follow("plain", watched.run_id)
    await elsewhere.reached("ToolCallStarted")
    await dying.kill()
    seen = await watched.ended()
    async with asyncio.timeout(20):  # a process counts as dead after 4 seconds here, and after 20 elsewhere
        frames = await elsewhere.ended()
    again = survivor.follow("plain", watched.run_id, after=seen[-1].id)
    assert raw(seen + await again.ended()) == raw(frames)
    for agent, run_id in (("plain", watched.run_id), ("talker", queued)):
        frames = await survivor.follow(agent, run_id).ended()
        check(frames, end="RunError", has_died=True)
        assert frames[-1].data["error_type"] == "process_died"
        run = await survivor.get(agent, run_id)
        assert (run["status"], run["error_type"]) == ("ERROR", "process_died")
    assert stage.takes("watched")["model-1"] == stage.takes("queued")["model-1"] == 1


async def test_nested_runs_end_with_their_root(cluster: Cluster, stage: Stage):
    dying, survivor = await cluster.start(2)
    stage.hold("it/left/deep", "count")
    seen = dying.run("plain-nesting", "it")
    await stage.reached("it/left/deep", "count")

    await seen.reached("RunCompleted")
    await dying.kill()
    frames = await survivor.follow("plain-nesting", seen.run_id).ended()
    check(frames, end="RunError", has_died=True)
    ends = [frame for frame in frames if frame.event in {"RunCompleted", "RunError"}]
    assert [(frame.data["agent_id"], frame.event) for frame in ends] == [
        ("right", "RunCompleted"),
        ("deep", "RunError"),
        ("left", "RunError"),
        ("plain-nesting", "RunError"),
    ]
    for frame in ends[1:]:
        run = await survivor.get(frame.data["agent_id"], frame.data["run_id"])
        assert (run["status"], run["error_type"]) == ("ERROR", "process_died")
        assert (run["content"], run["error_id"]) == tuple(
            ends[-1].data[name] for name in ("content", "error_id")
        )


async def test_who_has_seen_more_than_was_logged_finds_the_end_all_the_same(cluster: Cluster, stage: Stage):
    dying, survivor = await cluster.start(2)
    stage.hold("it", "model-1 speaks", "model-1 has spoken")
    seen = dying.run("talker", "it")
    await stage.reached("it", "model-1 speaks")
    await seen.reached("RunContent")
    with administering(cluster.database) as connection, connection.transaction():
        connection.execute("SELECT FROM ai.agentos_runs FOR UPDATE")  # the log can't grow
        stage.let_go("it", "model-1 speaks")
        await seen.reached("RunContent", 6)
        await dying.kill()
        connection.execute(ABANDON)
    for frame in await seen.ended():
        rest = await survivor.follow("talker", seen.run_id, after=frame.id).ended()
        assert rest[-1].event == "RunError"
    assert await survivor.follow("talker", seen.run_id, after=rest[-1].id).ended() == []
    logged = await survivor.follow("talker", seen.run_id).ended()
    check(logged, end="RunError", has_died=True)
    assert len(logged) < len(seen.frames)


async def test_a_process_that_wakes_up_changes_nothing_any_more(cluster: Cluster, stage: Stage):
    sleeper, other = await cluster.start(2)
    stage.hold("plain", "look")
    stage.hold("durable", "model-2 speaks")
    runs = {agent: sleeper.run(agent, agent) for agent in ("plain", "durable")}
    await stage.reached("plain", "look")
    await stage.reached("durable", "model-2 speaks")
    sleeper.signal(signal.SIGSTOP)
    await stage.reached("durable", "model-2 speaks", times=2)
    for label in runs:
        stage.let_go(label)
    elsewhere = {agent: await other.follow(agent, run.run_id).ended() for agent, run in runs.items()}
    check(elsewhere["plain"], end="RunError", has_died=True)
    check(elsewhere["durable"])
    before = whole(cluster)
    sleeper.signal(signal.SIGCONT)
    for agent, run in runs.items():
        assert raw(await run.ended()) == raw(elsewhere[agent])
        assert run.is_whole
    check(await sleeper.run("durable", "later").ended())
    assert [row for row in whole(cluster) if row[0] in dict(before)] == before


def whole(cluster: Cluster) -> list[tuple[str, str]]:
    """Every run with its log, as text."""
    query = """
        SELECT
            run_id,
            r::text || (SELECT string_agg(e::text, ' ' ORDER BY seq) FROM ai.agentos_run_events AS e
                WHERE e.run_id = r.run_id)
        FROM ai.agentos_runs AS r ORDER BY run_id
    """
    return cluster.rows(query)
