"""Open event streams have a limit per caller, and one caller's are nobody else's."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from tests.os.apps import ADMIN, Gated, agent, bearer, listening, secured

RUNS = "/agents/web/runs"


@pytest.fixture
def model():
    return Gated()


@asynccontextmanager
async def server(app):
    async with listening(app) as port, httpx.AsyncClient(timeout=30) as client:
        client.base_url = f"http://127.0.0.1:{port}"
        yield client


@pytest.fixture
async def client(db, model):
    limited = AgentOS(agents=[agent(model.answer)], db=db, max_streams_per_user=2)
    async with server(secured(limited.get_app())) as client:
        yield client
        model.gate.set()


async def opened(client, headers, **fields):
    request = client.build_request("POST", RUNS, data={"message": "hi", **fields}, headers=headers)
    return await client.send(request, stream=True)


async def settled(client, headers):
    """A stream, as soon as there is room for one: the server learns of a closed connection when it may."""
    while (response := await opened(client, headers)).status_code == 429:
        await response.aclose()
        await asyncio.sleep(0.01)
    return response


def ids(response):
    return {run["run_id"] for run in response.json()}


async def test_one_stream_too_many_is_refused_and_begins_no_run(client):
    ann, bob, root = bearer("ann"), bearer("bob"), bearer("root", ADMIN)
    streams = [await opened(client, ann, session_id="s1") for _ in range(2)]
    assert [each.status_code for each in streams] == [200, 200]
    before = ids(await client.get(RUNS, params={"session_id": "s1"}, headers=ann))
    refused = await client.post(RUNS, data={"message": "hi", "session_id": "s1"}, headers=ann)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
    assert refused.json()["detail"].startswith("You have 2 event streams open: close one")
    assert int(refused.headers["retry-after"]) > 0
    assert ids(await client.get(RUNS, params={"session_id": "s1"}, headers=ann)) == before
    run = f"{RUNS}/{before.pop()}"
    assert (await client.get(f"{run}/events", headers=ann)).status_code == 429
    assert (await client.post(f"{run}/resume", json={}, headers=ann)).status_code == 429
    assert (await client.post(f"{run}/continue", data={"input": "hi"}, headers=ann)).status_code == 429
    assert (await client.get(run, headers=ann)).status_code == 200, "anything else goes on"
    for other in (bob, root):
        streams.append(await opened(client, other))
        assert streams[-1].status_code == 200
    for each in streams:
        await each.aclose()


async def test_a_stream_that_ends_or_is_left_makes_room(client, model):
    ann = bearer("ann")
    first, second = [await opened(client, ann) for _ in range(2)]
    await second.aclose()
    third = await settled(client, ann)
    assert third.status_code == 200
    model.gate.set()
    for each in (first, third):
        assert "RunCompleted" in (await each.aread()).decode()
    fourth, fifth = [await settled(client, ann) for _ in range(2)]
    await fourth.aclose()
    await fifth.aclose()


async def test_a_refused_request_takes_no_room(client, model):
    ann = bearer("ann")
    for _ in range(3):
        assert (await client.get(f"{RUNS}/nothing/events", headers=ann)).status_code == 404
        assert (await client.post(RUNS, data={"session_id": "a/b", "message": "hi"}, headers=ann)).is_error
        model.gate.set()
        whole = await client.post(RUNS, data={"message": "hi", "stream": "false"}, headers=ann)
        assert whole.status_code == 200
    streams = [await opened(client, ann) for _ in range(2)]
    assert [each.status_code for each in streams] == [200, 200]
    for each in streams:
        await each.aclose()


@pytest.mark.parametrize("options", [{}, {"security_key": "a-key-that-everybody-has-and-nobody-else"}])
async def test_callers_without_an_identity_have_a_share_per_address(db, model, options):
    app = AgentOS(agents=[agent(model.answer)], db=db, max_streams_per_user=1, **options).get_app()
    headers = {"Authorization": "Bearer a-key-that-everybody-has-and-nobody-else"} if options else {}
    async with server(app) as client:
        first = await opened(client, headers)
        assert first.status_code == 200
        refused = await client.post(RUNS, data={"message": "hi", "user_id": "another"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        async with httpx.AsyncClient(
            base_url=client.base_url, transport=httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        ) as elsewhere:
            other = await opened(elsewhere, headers)
            assert other.status_code == 200
            await other.aclose()
        model.gate.set()
        await first.aclose()


def test_a_limit_of_nothing_is_refused(db):
    with pytest.raises(ConfigurationError, match="max_streams_per_user=0"):
        AgentOS(db=db, max_streams_per_user=0)
