"""A Postgres that goes away in the middle of runs and comes back."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from agentos.db.embedded import EmbeddedPostgres
from agentos.db.postgres import PostgresDb
from tests.conftest import quick_folder
from tests.faults.cluster import Cluster
from tests.faults.follower import check, raw, said, spoken
from tests.faults.stage import Stage
from tests.flows.processes import free_port

DEAD_SECONDS = 3
PATIENCE = 20
"""Seconds that a stop may take on a busy machine; by itself it takes the grace and up to two more."""


@pytest.fixture
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    folder = tempfile.mkdtemp(prefix="agentos-faults-", dir=quick_folder())
    server = EmbeddedPostgres(folder, fsync=False, port=free_port())
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(PostgresDb(server.url()).schema.upgrade)
    yield server
    await asyncio.to_thread(server.stop)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def cluster(postgres: EmbeddedPostgres, stage: Stage) -> AsyncIterator[Cluster]:
    cluster = Cluster(postgres.url(), stage)
    yield cluster
    await cluster.close()
    cluster.print()


async def test_nothing_is_lost_when_the_database_restarts(
    postgres: EmbeddedPostgres, cluster: Cluster, stage: Stage
):
    one, other = await cluster.start(2)
    runs = {agent: one.run(agent, agent) for agent in ("plain", "durable")}
    for agent in runs:
        stage.hold(agent, "model-2 speaks")
    for agent, run in runs.items():
        await stage.reached(agent, "model-2 speaks")
        await run.begun()
    far = {agent: other.follow(agent, run.run_id) for agent, run in runs.items()}
    for follower in far.values():
        await follower.reached("ModelRequestStarted", 2)
    await asyncio.to_thread(postgres.stop)
    for agent in runs:
        stage.let_go(agent)
        await stage.reached(agent, "model-2 has spoken")
    assert (await other.post("/agents/talker/runs", message="away", stream=False)).status_code == 503
    await asyncio.to_thread(postgres.start)
    for agent, run in runs.items():
        frames = await run.ended()
        check(frames)
        assert raw(await far[agent].ended()) == raw(frames)
        assert said(frames) == spoken(await other.get(agent, run.run_id))
        assert set(stage.takes(agent).values()) == {1}
    check(await other.run("durable", "later").ended())
    for replica in (one, other):
        replica.stop()
        await replica.stopped()


async def test_who_could_not_say_that_it_lives_is_not_dead(
    postgres: EmbeddedPostgres, cluster: Cluster, stage: Stage
):
    replicas = await cluster.start(2, DEAD_SECONDS=f"{DEAD_SECONDS}")
    labels = [f"plain {number}" for number in range(2)]
    for label in labels:
        stage.hold(label, "look")
    runs = {label: each.run("plain", label) for label, each in zip(labels, replicas, strict=True)}
    for label, run in runs.items():
        await stage.reached(label, "look")
        await run.begun()
    await asyncio.to_thread(postgres.stop)
    back = monotonic() + 1.5 * DEAD_SECONDS
    while monotonic() < back:
        assert (await replicas[0].post("/agents/talker/runs", message="away")).status_code == 503
    await asyncio.to_thread(postgres.start)
    for replica in replicas:
        check(await replica.run("talker", "later").ended())
    for label, run in runs.items():
        stage.let_go(label)
        check(await run.ended())


async def test_a_server_can_be_stopped_while_the_database_is_away(
    postgres: EmbeddedPostgres, cluster: Cluster, stage: Stage
):
    (server,) = await cluster.start(GRACE="1")
    runs = {agent: server.run(agent, agent) for agent in ("plain", "durable")}
    for agent in runs:
        stage.hold(agent, "look")
    for agent in runs:
        await stage.reached(agent, "look")
    await asyncio.to_thread(postgres.stop)
    for agent in runs:
        stage.let_go(agent)
    server.stop()
    began = monotonic()
    await server.stopped()
    assert monotonic() - began < PATIENCE  # what waits for the database waits for a minute and more
    await asyncio.to_thread(postgres.start)
    (later,) = await cluster.start()
    died = await later.follow("plain", runs["plain"].run_id).ended()
    check(died, end="RunError", has_died=True)
    check(await later.follow("durable", runs["durable"].run_id).ended())
    assert stage.takes("durable")["model-1"] == 1
