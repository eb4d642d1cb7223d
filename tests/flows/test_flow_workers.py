"""`agentos serve --workers 2`: whichever process a connection comes to, it is one server."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import a_database
from tests.flows.processes import PATIENCE, environment, free_port, running, wait_until_listening

AGENTOS = Path(sys.executable).with_name("agentos")
PROGRAMS = Path(__file__).parent / "programs"
ENOUGH = 200
"""Connections after which one to each of two processes should have been among them."""


@pytest.fixture(scope="module")
def flow_database(server_url, template) -> Iterator[str]:
    with a_database(server_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def address(flow_database) -> Iterator[str]:
    port = free_port()
    command = [str(AGENTOS), "serve", "replicated:app", "--port", str(port), "--workers", "2"]
    env = environment(DATABASE_URL=flow_database)
    with running(command, cwd=PROGRAMS, env=env) as process:
        wait_until_listening(port)
        process.wait_for("Application startup complete")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def two(address) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two clients of one connection each, which end in different processes."""
    found: dict[int, httpx.AsyncClient] = {}
    async with AsyncExitStack() as stack:
        for _ in range(ENOUGH):
            client = httpx.AsyncClient(
                base_url=address,
                timeout=PATIENCE,
                trust_env=False,
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            )
            await stack.enter_async_context(client)
            found.setdefault((await client.get("/process")).json(), client)
            if len(found) == 2:
                break
        one, other = found.values()
        yield one, other


def frames(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("id: ")]
    return [(event.removeprefix("event: "), json.loads(data[6:])) for _, event, data in blocks]


async def start(client: httpx.AsyncClient, agent: str, message: str) -> str:
    body = {"message": message, "background": True, "stream": False}
    answered = await client.post(f"/agents/{agent}/runs", json=body)
    assert answered.status_code == 202
    return answered.json()["run_id"]


async def followed(client: httpx.AsyncClient, agent: str, run_id: str) -> str:
    return (await client.get(f"/agents/{agent}/runs/{run_id}/events")).text


async def test_a_run_is_cancelled_through_either_process_and_read_the_same_in_both(two):
    for begins, ends in (two, two[::-1]):
        run_id = await start(begins, "endless", "hi")
        async with begins.stream("GET", f"/agents/endless/runs/{run_id}/events") as live:
            pieces = live.aiter_text()
            text = await anext(pieces)
            while "ModelRequestStarted" not in text:
                text += await anext(pieces)
            assert (await ends.post(f"/agents/endless/runs/{run_id}/cancel")).status_code == 200
            text += "".join([piece async for piece in pieces])
        assert frames(text)[-1][0] == "RunCancelled"
        assert text == await followed(ends, "endless", run_id)


async def test_a_run_that_asked_in_one_process_goes_on_through_the_other(two):
    for begins, ends in (two, two[::-1]):
        run_id = await start(begins, "asking", 'use pay with {"amount": 5}')
        name, paused = frames(await followed(begins, "asking", run_id))[-1]
        assert name == "RunPaused"
        tools = [tool | {"confirmed": True} for tool in paused["tools"]]
        continued = await ends.post(
            f"/agents/asking/runs/{run_id}/continue", json={"tools": tools, "stream": False}
        )
        assert continued.status_code == 200, continued.text
        assert "paid 5" in continued.json()["content"]
        assert (await begins.get(f"/agents/asking/runs/{run_id}")).json()["status"] == "COMPLETED"


async def test_many_connections_are_one_server(address):
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, trust_env=False) as any_process:
        run_id = await start(any_process, "endless", "hi")
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, trust_env=False, limits=limits) as fresh:
        for _ in range(10):
            answered = await fresh.get(f"/agents/endless/runs/{run_id}")
            assert answered.json()["status"] in {"PENDING", "RUNNING"}
        cancels = [await fresh.post(f"/agents/endless/runs/{run_id}/cancel") for _ in range(2)]
        texts = {await followed(fresh, "endless", run_id) for _ in range(6)}
        assert cancels[0].status_code == 200
        assert len(texts) == 1
        assert frames(texts.pop())[-1][0] == "RunCancelled"
        assert (await fresh.post(f"/agents/endless/runs/{run_id}/cancel")).status_code == 409
