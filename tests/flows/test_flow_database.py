"""A database that goes away and comes back, under a server that stays."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agentos.db.embedded import EmbeddedPostgres
from tests.fakes.openai_server import FakeOpenAI
from tests.flows.calculator import RUNS, calculator, run
from tests.flows.processes import free_port


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, to stop and start; not in pytest's folders, where `nobody` may not go."""
    folder = Path(tempfile.mkdtemp(prefix="agentos-flow-"))
    with EmbeddedPostgres(folder, port=free_port(), fsync=False) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


async def test_while_the_database_is_away_its_routes_say_503_and_then_recover(postgres: EmbeddedPostgres):
    with calculator(postgres.url()) as served:
        async with served.client() as client, FakeOpenAI(port=served.model_port):
            *_, before = await run(client, "hello")
            postgres.stop()
            await refused(client)
            postgres.start()
            *_, after = await run(client, "hello")
            sessions = (await client.get("/sessions")).json()["data"]
    assert (before.event, after.event) == ("RunCompleted", "RunCompleted")
    assert {session["session_id"] for session in sessions} == {
        before.data["session_id"],
        after.data["session_id"],
    }


async def test_a_server_starts_without_its_database_and_works_once_it_is_there(postgres: EmbeddedPostgres):
    url = postgres.url()
    postgres.stop()
    with calculator(url) as served:
        async with served.client() as client, FakeOpenAI(port=served.model_port):
            await refused(client)
            postgres.start()
            *_, last = await run(client, "hello")
    assert last.event == "RunCompleted"


async def refused(client: httpx.AsyncClient) -> None:
    """What needs the database says when to try again; what doesn't, answers."""
    listed = await client.get("/sessions")
    started = await client.post(RUNS, json={"message": "hello"})
    for answer in (listed, started):
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    for path in ("/health", "/agents"):
        assert (await client.get(path)).status_code == 200
