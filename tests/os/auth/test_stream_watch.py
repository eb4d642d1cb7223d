"""Streams end with the token that they were opened with; their runs go on."""

import asyncio
import json
from contextlib import asynccontextmanager
from time import time

import httpx
import pytest
from fastapi import FastAPI
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from agentos.os import AgentOS
from agentos.os.auth import stream_watch
from agentos.os.http.rate_limit import Failures
from agentos.os.middleware import JWTMiddleware
from tests.os.apps import ADMIN, SECRET, Gated, agent, bearer, frames, listening, secured

RUNS = "/agents/web/runs"
PATIENCE = 20


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(stream_watch, "RECHECK_SECONDS", 0.02)


@pytest.fixture
def model():
    return Gated()


@pytest.fixture
async def caller(db, model):
    app = secured(AgentOS(agents=[agent(model.answer)], db=db).get_app())
    async with listening(app) as port, httpx.AsyncClient(timeout=PATIENCE) as caller:
        caller.base_url = f"http://127.0.0.1:{port}"
        yield caller


@asynccontextmanager
async def opened(caller, headers, method="POST", path=RUNS, **sent):
    """A stream, once it is there."""
    async with caller.stream(method, path, headers=headers, **sent) as response:
        assert response.status_code == 200
        yield response


async def rest(response):
    """What the stream says before it ends, and the data of its last event."""
    text = "".join([piece async for piece in response.aiter_text()])
    last = text.strip().split("\n\n")[-1].splitlines()
    assert last[0] == "event: StreamClosed", text
    return text, json.loads(last[1].removeprefix("data: "))


async def account(caller):
    asked = {"name": "ci", "scopes": ["agents:web:run", "agents:web:read"]}
    made = (await caller.post("/service-accounts", json=asked, headers=bearer("root", ADMIN))).json()
    return made["id"], {"Authorization": f"Bearer {made['token']}"}


async def test_a_stream_ends_when_its_token_expires_and_goes_on_with_another(caller, model, caplog):
    short = bearer("ann", exp=int(time()) + 2)
    async with opened(caller, short, data={"message": "hi"}) as response:
        text, told = await rest(response)
    assert "Exception" not in caplog.text
    assert (told["event"], told["code"]) == ("StreamClosed", "expired_token")
    *seen, closed = text.strip().split("\n\n")
    assert "id:" not in closed
    shown = frames("\n\n".join(seen))
    run_id = shown[-1].data["run_id"]
    model.gate.set()
    follow = f"{RUNS}/{run_id}/events"
    headers = {**bearer("ann"), "Last-Event-ID": str(shown[-1].id)}
    later = frames((await caller.get(follow, headers=headers)).text)
    assert [frame.id for frame in later] == list(range(shown[-1].id + 1, later[-1].id + 1))
    assert (later[-1].event, later[-1].data["content"]) == ("RunCompleted", "onetwo")


async def test_a_stream_ends_when_its_account_is_revoked(caller, model):
    account_id, headers = await account(caller)
    async with opened(caller, headers, data={"message": "hi"}) as response:
        await model.waits.wait()
        gone = await caller.delete(f"/service-accounts/{account_id}", headers=bearer("root", ADMIN))
        assert gone.is_success
        _, told = await rest(response)
    assert told["detail"] == "Invalid token: its service account is revoked"


async def test_a_gate_inside_another_leaves_the_stream_alone(db, model):
    """It knows the caller from the outer one, and couldn't verify the token itself."""
    app = AgentOS(agents=[agent(model.answer)], db=db).get_app()
    options = {"algorithm": "HS256", "authorization": True}
    app.add_middleware(JWTMiddleware, verification_keys=["another key, as long as the first"], **options)
    app.add_middleware(JWTMiddleware, verification_keys=[SECRET], algorithm="HS256")
    async with listening(app) as port, httpx.AsyncClient(timeout=PATIENCE) as caller:
        caller.base_url = f"http://127.0.0.1:{port}"
        async with opened(caller, bearer("ann", "agents:run"), data={"message": "hi"}) as response:
            await model.waits.wait()
            await asyncio.sleep(10 * stream_watch.RECHECK_SECONDS)  # several checks
            model.gate.set()
            text = "".join([piece async for piece in response.aiter_text()])
    assert frames(text)[-1].event == "RunCompleted"


async def test_a_stream_that_is_over_is_left_alone(db, caplog):
    """What an app does after its answer goes on, and nothing is sent twice."""
    done = asyncio.Event()

    async def later():
        await asyncio.sleep(10 * stream_watch.RECHECK_SECONDS)
        done.set()

    app = FastAPI()

    @app.get("/stream")
    async def stream():
        async def pieces():
            yield b"data: 1\n\n"

        return StreamingResponse(pieces(), media_type="text/event-stream", background=BackgroundTask(later))

    app.add_middleware(JWTMiddleware, verification_keys=[SECRET], algorithm="HS256")
    async with listening(app) as port, httpx.AsyncClient(timeout=PATIENCE) as caller:
        headers = bearer("ann", exp=int(time()) - 9)  # within the leeway for a second
        answered = await caller.get(f"http://127.0.0.1:{port}/stream", headers=headers)
        await done.wait()
    assert answered.text == "data: 1\n\n"
    assert "Exception" not in caplog.text


async def test_following_ends_too_and_others_go_on(caller, model):
    account_id, headers = await account(caller)
    start = {"message": "hi", "background": "true", "stream": "false"}
    run_id = (await caller.post(RUNS, headers=headers, data=start)).json()["run_id"]
    path = f"{RUNS}/{run_id}/events"
    admin = bearer("root", ADMIN)
    async with (
        opened(caller, headers, "GET", path) as response,
        opened(caller, admin, "GET", path) as other,
    ):
        await caller.delete(f"/service-accounts/{account_id}", headers=admin)
        await rest(response)
        model.gate.set()
        text = "".join([piece async for piece in other.aiter_text()])
    assert frames(text)[-1].event == "RunCompleted"


async def test_a_stream_outlives_many_checks_and_failures_of_others(caller, model, monkeypatch):
    """Who shares an address with somebody who guesses tokens keeps his stream."""
    _, headers = await account(caller)
    checked = asyncio.Queue()
    refusal = stream_watch.StreamWatch._watch

    async def watch(self):
        ask = self._refusal

        async def counted():
            found = await ask()
            checked.put_nowait(found)
            return found

        self._refusal = counted
        await refusal(self)

    monkeypatch.setattr(stream_watch.StreamWatch, "_watch", watch)
    async with opened(caller, headers, data={"message": "hi"}) as response:
        monkeypatch.setattr(Failures, "wait", lambda *_: 60)
        assert [await checked.get() for _ in range(5)] == [None] * 5
        monkeypatch.undo()
        model.gate.set()
        text = "".join([piece async for piece in response.aiter_text()])
    assert frames(text)[-1].event == "RunCompleted"
