"""What only sockets show: bodies that are too large, callers that hang up."""

import asyncio

import httpx
import pytest

from agentos.os import AgentOS
from tests.os.apps import agent, frames, listening

RUNS = "/agents/web/runs"
JSON = {"content-type": "application/json"}
LIMIT = 10_000


@pytest.fixture
async def client():
    app = AgentOS(agents=[agent()], max_body_bytes=LIMIT).get_app()

    @app.post("/upload")
    async def upload():
        return "unread"

    async with listening(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def message(size):
    """A run's body of exactly `size` bytes."""
    body = b'{"message": "%s", "stream": false}'
    return body % (b"x" * (size - len(body) + 2))


async def chunks(body):
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


@pytest.mark.parametrize("path", [RUNS, "/upload"])
async def test_an_announced_body_is_refused_unread(client, path):
    for size, status in [(LIMIT, 200), (LIMIT + 1, 413)]:
        answered = await client.post(path, content=message(size), headers=JSON)
        assert answered.status_code == status
    assert answered.json()["code"] == "payload_too_large"


async def test_a_body_in_chunks_is_refused_while_it_is_read(client):
    for size, status in [(LIMIT, 200), (LIMIT + 1, 413), (LIMIT * 50, 413)]:
        answered = await client.post(RUNS, content=chunks(message(size)), headers=JSON)
        assert answered.status_code == status
        assert "transfer-encoding" in answered.request.headers
    assert answered.json() == {
        "detail": f"The body is larger than {LIMIT} bytes",
        "code": "payload_too_large",
    }


async def test_forms_in_chunks_are_refused_too(client):
    form = {"content-type": "application/x-www-form-urlencoded"}
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    for headers, body in [(form, b"message=" + b"x" * LIMIT), (multipart, head + b"x" * LIMIT)]:
        answered = await client.post(RUNS, content=chunks(body), headers=headers)
        assert answered.status_code == 413


async def test_hanging_up_doesnt_end_a_run(db):
    gate = asyncio.Event()

    async def answer(request):
        yield "one"
        await gate.wait()
        yield "two"

    app = AgentOS(agents=[agent(answer, db=db)]).get_app()
    async with listening(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        async with client.stream("POST", RUNS, data={"message": "hi"}) as response:
            async for line in response.aiter_lines():
                if '"RunContent"' in line:
                    break
        run_id = frames(f"id: 1\nevent: x\n{line}\n\n")[0].data["run_id"]
        assert (await client.get(f"{RUNS}/{run_id}")).json()["status"] == "RUNNING"
        gate.set()
        followed = await client.get(f"{RUNS}/{run_id}/events", params={"after": 3})
        assert [frame.event for frame in frames(followed.text)][-1] == "RunCompleted"
        assert (await client.get(f"{RUNS}/{run_id}")).json()["content"] == "onetwo"


async def test_a_caller_who_waits_for_the_whole_and_hangs_up_ends_nothing(db):
    started, gate = asyncio.Event(), asyncio.Event()

    async def answer(request):
        started.set()
        await gate.wait()
        yield "done"

    app = AgentOS(agents=[agent(answer, db=db)]).get_app()
    async with listening(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        body = {"message": "hi", "stream": False, "session_id": "s1"}
        call = asyncio.create_task(client.post(RUNS, json=body))
        await started.wait()
        call.cancel()
        await asyncio.wait([call])
        (run,) = (await client.get(f"{RUNS}?session_id=s1")).json()
        assert run["status"] == "RUNNING"
        gate.set()
        await client.get(f"{RUNS}/{run['run_id']}/events")
        assert (await client.get(f"{RUNS}/{run['run_id']}")).json()["content"] == "done"
