"""A Postgres that goes away in the middle of runs and comes back."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator

import pytest

from agentos.db.embedded import EmbeddedPostgres
from agentos.db.postgres import PostgresDb
from tests.conftest import quick_folder
from tests.faults.cluster import Cluster
from tests.faults.following import check, raw, said, spoken
from tests.faults.stage import Stage
from tests.flows.processes import free_port


@pytest.fixture
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    folder = tempfile.mkdtemp(prefix="agentos-faults-", dir=quick_folder())
    server = EmbeddedPostgres(folder, fsync=False, port=free_port())
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)
    shutil.rmtree(folder, ignore_errors=True)


async def test_nothing_is_lost_when_the_database_restarts(postgres: EmbeddedPostgres, stage: Stage):
    await asyncio.to_thread(PostgresDb(postgres.url()).schema.upgrade)
    cluster = Cluster(postgres.url(), stage)
    try:
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
        away = await other.post("/agents/talker/runs", message="away", stream=False)
        assert away.status_code == 503
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
    finally:
        await cluster.close()
        cluster.print()
