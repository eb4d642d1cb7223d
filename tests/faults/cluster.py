"""Replicas of one server: processes of their own on one database, which can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.faults.follower import Follower
from tests.faults.fork_server import forked
from tests.faults.stage import PATIENCE, Stage
from tests.flows.processes import Process, environment, free_port, running

PROGRAM = Path(__file__).parent / "programs" / "staged.py"


def runs(runnable: str) -> str:
    """The path of the runs of an agent, by its id, or of a team, as `teams/<id>`."""
    return f"/{runnable}/runs" if "/" in runnable else f"/agents/{runnable}/runs"


class Replica:
    """One process, and how it is talked to."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.pid = process.popen.pid
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            timeout=PATIENCE,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """Ends it at once, wherever it is."""
        self.signal(signal.SIGKILL)
        await asyncio.to_thread(self.process.wait)

    def stop(self) -> None:
        """Tells it to end, once it has done what it has to."""
        self.signal(signal.SIGTERM)

    async def stopped(self) -> None:
        """Returns once it has ended in good order."""
        status = await asyncio.to_thread(self.process.wait)
        # Once it is done, uvicorn lets the signal have its way.
        assert status in {0, -signal.SIGTERM}
        if status:
            await asyncio.to_thread(self.process.wait_for, "Application shutdown complete")

    def run(self, agent: str, message: str, **more: Any) -> Follower:
        """Starts a run and follows it."""
        headers = more.pop("headers", None)
        body = {"message": message, **more}
        return Follower(self.client, "POST", runs(agent), json=body, headers=headers)

    def follow(self, agent: str, run_id: str, *, after: int = 0) -> Follower:
        headers = {"Last-Event-ID": str(after)}
        return Follower(self.client, "GET", f"{runs(agent)}/{run_id}/events", headers=headers)

    def proceed(self, agent: str, run_id: str, tools: list[dict[str, Any]]) -> Follower:
        """Continues a paused run and follows it."""
        return Follower(self.client, "POST", f"{runs(agent)}/{run_id}/continue", json={"tools": tools})

    async def start(self, agent: str, message: str, **more: Any) -> str:
        """The id of a run in the background."""
        answered = await self.post(runs(agent), message=message, background=True, stream=False, **more)
        assert answered.status_code == 202, answered.text
        return answered.json()["run_id"]

    async def post(self, url: str, **body: Any) -> httpx.Response:
        return await self.client.post(url, json=body)

    async def get(self, agent: str, run_id: str) -> dict[str, Any]:
        """The run as it is stored."""
        answered = await self.client.get(f"{runs(agent)}/{run_id}")
        assert answered.status_code == 200, answered.text
        return answered.json()

    async def cancel(self, agent: str, run_id: str) -> int:
        """The answer's status."""
        return (await self.client.post(f"{runs(agent)}/{run_id}/cancel")).status_code


class Cluster:
    """The replicas of one test; at its end none is left."""

    def __init__(self, database: str, stage: Stage, **settings: str) -> None:
        self.database = database
        self._settings = settings | {"STAGE_PORT": str(stage.port), "DATABASE_URL": database}
        self._stack = ExitStack()
        self._replicas: list[Replica] = []

    async def start(self, count: int = 1, **settings: str) -> list[Replica]:
        """So many more servers, once they answer."""
        return list(await asyncio.gather(*(self._serve(free_port(), settings) for _ in range(count))))

    async def worker(self, **settings: str) -> Replica:
        """A process that executes and answers nothing."""
        command = [str(Path(sys.executable).with_name("agentos")), "worker", f"{PROGRAM.stem}:agent_os"]
        env = environment(**self._settings, **settings)
        started = running(command, cwd=PROGRAM.parent, env=env, until=["Ctrl+C ends it"])
        return await self._entered(started, 0)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.replace("+psycopg", "")) as connection:
            return connection.execute(query, values).fetchall()

    async def close(self) -> None:
        for replica in self._replicas:
            await replica.client.aclose()
            if replica.process.popen.poll() is None:
                replica.signal(signal.SIGKILL)
        await asyncio.to_thread(self._stack.close)

    def print(self) -> None:
        """Everything that the processes have said."""
        for replica in self._replicas:
            print(f"{replica.pid} said:\n{replica.process.output}")

    async def _serve(self, port: int, settings: Mapping[str, str]) -> Replica:
        return await self._entered(forked(PROGRAM, port=port, **self._settings, **settings), port)

    async def _entered(self, started: AbstractContextManager[Process], port: int) -> Replica:
        replica = Replica(await asyncio.to_thread(self._stack.enter_context, started), port)
        self._replicas.append(replica)
        return replica


@dataclass(frozen=True)
class Shared:
    """Two servers that nothing happens to."""

    stage: Stage
    one: Replica
    other: Replica

    @property
    def replicas(self) -> tuple[Replica, Replica]:
        return self.one, self.other
