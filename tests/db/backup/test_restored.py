"""What a restored database is good for: everything that the dumped one was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agentos.db.postgres import PostgresDb
from agentos.models.base import ModelResponse
from agentos.os import AgentOS
from agentos.tools.result import ToolResult
from tests.cli.commands import agentos
from tests.os.api.test_os_approvals import Till
from tests.os.apps import ADMIN, agent, bearer, calls_once, secured, serving
from tests.runner.durable.segments import Segments, Source, all_of, engine, held

ALICE, BOB, ROOT = bearer("alice"), bearer("bob"), bearer("root", ADMIN)
RUNS = "/agents/web/runs"


@pytest.fixture
def move(bound, tmp_path):
    """Dumps the one database and restores the other."""

    def moved() -> None:
        archive: Path = tmp_path / "backup.dump"
        assert agentos("db", "dump", archive, "--url", bound.source).status == 0
        assert agentos("db", "restore", archive, "--url", bound.target).status == 0

    return moved


def served(url: str, till: Till):
    db = PostgresDb(url, pool_size=2)
    model = calls_once("pay", to="bo")
    return serving(secured(AgentOS(agents=[agent(model, db=db, tools=[till.tool()])], db=db).get_app()))


async def test_a_run_that_waits_is_continued_by_its_user_once_it_is_approved(bound, move):
    till = Till()
    body = {"message": "go", "stream": False, "session_id": "paying"}
    async with served(bound.source, till) as before:
        run = (await before.post(RUNS, json=body, headers=ALICE)).json()
    assert run["status"] == "PAUSED"
    await asyncio.to_thread(move)
    async with served(bound.target, till) as after:
        assert (await after.get("/sessions/paying", headers=BOB)).status_code == 404
        assert (await after.get("/sessions/paying", headers=ALICE)).status_code == 200
        (asked,) = (await after.get("/approvals?status=pending", headers=ROOT)).json()["data"]
        answer = await after.post(
            f"/approvals/{asked['id']}/resolve", json={"status": "approved"}, headers=ROOT
        )
        assert answer.status_code == 200
        url = f"{RUNS}/{run['run_id']}/continue"
        ended = (await after.post(url, json={"tools": run["tools"], "stream": False}, headers=ALICE)).json()
    assert (ended["status"], ended["content"], till.paid) == ("COMPLETED", "It says: paid bo", ["bo"])


async def test_the_audit_is_intact_and_grows(bound, move):
    async with served(bound.source, Till()) as before:
        assert (await before.get("/sessions")).status_code == 401
    head = await asyncio.to_thread(verified, bound.source)
    await asyncio.to_thread(move)
    assert await asyncio.to_thread(verified, bound.target) == head
    async with served(bound.target, Till()) as after:
        assert (await after.get("/sessions")).status_code == 401
    grown = await asyncio.to_thread(verified, bound.target, "--expect-head", head)
    assert int(grown.partition(":")[0]) == int(head.partition(":")[0]) + 1


def verified(url: str, *options: str) -> str:
    called = agentos("audit", "verify", "--url", url, *options)
    assert called.status == 0, called
    return called.output.split()[-1]


async def test_steps_of_a_durable_run_that_were_recorded_are_not_repeated(bound, move):
    answer = ModelResponse(content="Hello", tool_calls=[])
    model, tool = Source(answer), held(ToolResult("4"))
    segments = Segments()

    async def body(steps, context):
        return [await all_of(steps("model-1", model)), await all_of(steps("tool-1-0", tool))]

    run_id = segments.run(body)
    async with engine(bound.source, segments.execute) as durable:
        await durable.start(run_id, 0)
        await tool.reached.wait()
    assert isinstance(await segments.outcome(run_id), asyncio.CancelledError)
    await asyncio.to_thread(move)
    tool.go_on.set()
    async with engine(bound.target, segments.execute) as durable:
        assert await durable.resume(run_id, 0)
        assert await segments.outcome(run_id) == [[answer], [ToolResult("4")]]
    assert (model.calls, tool.calls) == (1, 2)
