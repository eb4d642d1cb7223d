"""A client of `programs/calculator.py`, and the frames that it reads."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.flows.processes import free_port, script

PROGRAM = Path(__file__).parent / "programs" / "calculator.py"
RUNS = "/agents/calculator/runs"


@dataclass(frozen=True)
class Frame:
    """One server-sent event."""

    id: int
    event: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Served:
    """A running server, and the port where it looks for its model."""

    url: str
    model_port: int

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=60, trust_env=False)


@contextmanager
def calculator(database: str) -> Iterator[Served]:
    port, model_port = free_port(), free_port()
    model = f"http://127.0.0.1:{model_port}/v1"
    with script(PROGRAM, port=port, DATABASE_URL=database, OPENAI_BASE_URL=model):
        yield Served(f"http://127.0.0.1:{port}", model_port)


async def frames(response: httpx.Response) -> AsyncIterator[Frame]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield Frame(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


async def run(client: httpx.AsyncClient, message: str) -> list[Frame]:
    """All frames of a run, read to the end."""
    async with client.stream("POST", RUNS, json={"message": message}) as response:
        assert response.status_code == 200
        return [frame async for frame in frames(response)]


async def stored(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """The run as the database has it."""
    answer = await client.get(f"{RUNS}/{run_id}")
    assert answer.status_code == 200
    return answer.json()
