"""Ending runs: who may, which ones, and what is left of them."""

import asyncio
from datetime import timedelta

import pytest

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.run.events import RunContent
from agentos.tools import tool
from tests.conftest import administering
from tests.db.made import WAITING
from tests.os.apps import ADMIN, Played, agent, bearer, calls_once, frames, secured, serving, standing

RUNS = "/agents/web/runs"


@tool(requires_confirmation=True)
def send() -> str:
    """Sends."""
    return "sent"


@pytest.fixture
def app(db, gated):
    return AgentOS(agents=[agent(gated.answer, db=db)]).get_app()


def ends(text):
    return [frame.event for frame in frames(text) if frame.event in ENDS]


ENDS = {"RunCompleted", "RunCancelled", "RunError", "RunPaused"}


@pytest.mark.parametrize("query", ["", "?session_id=s1"])
async def test_a_running_run_ends_with_what_it_has_said(app, gated, query):
    async with serving(app) as client, standing(client, gated) as (run_id, call):
        cancelled = await client.post(f"{RUNS}/{run_id}/cancel{query}")
        assert (cancelled.status_code, cancelled.json()) == (200, {})
        streamed = (await call).text
        assert ends(streamed) == ["RunCancelled"]
        run = (await client.get(f"{RUNS}/{run_id}")).json()
        assert (run["status"], run["content"]) == ("CANCELLED", "one")
        assert (await client.get(f"{RUNS}/{run_id}/events")).text == streamed


async def test_a_run_of_another_process_is_cancelled_there(app, gated, database):
    other = AgentOS(agents=[agent(db=PostgresDb(database))]).get_app()
    async with serving(app) as client, serving(other) as far, standing(client, gated) as (run_id, call):
        assert (await far.post(f"{RUNS}/{run_id}/cancel")).status_code == 200
        assert ends((await call).text) == ["RunCancelled"]


async def test_a_run_without_a_database_is_cancelled_where_it_is():
    begun = asyncio.Queue()

    async def play(context):
        yield RunContent(content="one")
        await begun.put(context.run_id)
        await asyncio.Event().wait()

    async with serving(AgentOS(agents=[Played(play)]).get_app()) as client:
        call = asyncio.create_task(client.post("/agents/played/runs", json={"message": "hi"}))
        url = f"/agents/played/runs/{await begun.get()}/cancel"
        assert (await client.post(url)).status_code == 200
        assert ends((await call).text) == ["RunCancelled"]
        assert (await client.post(url)).status_code == 404


async def test_a_queued_run_never_begins(app, gated):
    async with serving(app) as client, standing(client, gated) as (_, first):
        second = asyncio.create_task(
            client.post(RUNS, json={"message": "ho", "session_id": "s1", "multitask": "enqueue"})
        )
        runs = []
        while len(runs) < 2:
            runs = (await client.get(f"{RUNS}?session_id=s1")).json()
        assert (await client.post(f"{RUNS}/{runs[1]['run_id']}/cancel")).status_code == 200
        assert [frame.event for frame in frames((await second).text)] == ["RunCancelled"]
        assert not gated.waits.is_set()
        gated.gate.set()
        assert ends((await first).text) == ["RunCompleted"]


async def test_a_paused_run_ends_without_its_calls(db):
    app = AgentOS(agents=[agent(calls_once("send"), db=db, tools=[send])]).get_app()
    async with serving(app) as client:
        run = (await client.post(RUNS, json={"message": "hi", "stream": False})).json()
        assert run["status"] == "PAUSED"
        assert (await client.post(f"{RUNS}/{run['run_id']}/cancel")).status_code == 200
        assert ends((await client.get(f"{RUNS}/{run['run_id']}/events")).text)[-1] == "RunCancelled"
        late = await client.post(f"{RUNS}/{run['run_id']}/continue", json={"tools": run["tools"]})
        assert late.status_code == 409


async def test_what_is_over_cant_be_cancelled(app, gated):
    gated.gate.set()
    async with serving(app) as client:
        run = (await client.post(RUNS, json={"message": "hi", "stream": False})).json()
        refused = await client.post(f"{RUNS}/{run['run_id']}/cancel")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert "COMPLETED" in refused.json()["detail"]
        assert (await client.get(f"{RUNS}/{run['run_id']}")).json()["status"] == "COMPLETED"


async def test_what_isnt_there_cant_be_cancelled(db, gated):
    app = AgentOS(agents=[agent(gated.answer, db=db), agent(called="other", db=db)]).get_app()
    async with serving(app) as client, standing(client, gated) as (run_id, call):
        for url in (
            f"{RUNS}/absent/cancel",
            f"/agents/other/runs/{run_id}/cancel",
            f"{RUNS}/{run_id}/cancel?session_id=s2",
            f"/agents/nobody/runs/{run_id}/cancel",
        ):
            assert (await client.post(url)).status_code == 404, url
        gated.gate.set()
        assert ends((await call).text) == ["RunCompleted"]


@pytest.mark.parametrize("caller", ["ann", "root"])
async def test_only_its_user_and_admins_cancel_a_run(app, gated, caller):
    callers = {"ann": bearer("ann"), "root": bearer("root", ADMIN)}
    async with serving(secured(app, all_users_scope="all:read")) as client:
        client.headers = bearer("ann")
        async with standing(client, gated) as (run_id, call):
            url = f"{RUNS}/{run_id}/cancel"
            for foreigner in (
                bearer("bob"),
                bearer("bob", "agents:run", "all:read"),
                bearer("ann", session_id="s2"),
                bearer("ann", session_id="s2") | {"X-Ignored": "x"},
            ):
                assert (await client.post(f"{url}?user_id=ann", headers=foreigner)).status_code == 404
            assert (await client.post(url, headers=bearer("ann", "agents:other:run"))).status_code == 403
            assert (await client.post(url, headers=bearer(None))).status_code == 403
            assert (await client.post(url, headers=callers[caller])).status_code == 200
            assert ends((await call).text) == ["RunCancelled"]


async def test_a_cancel_that_comes_too_late_says_so_to_everybody(app, gated, database):
    other = AgentOS(agents=[agent(db=PostgresDb(database))]).get_app()
    async with serving(app) as client, serving(other) as far, standing(client, gated) as (run_id, call):
        with administering(database) as connection, connection.transaction():
            connection.execute("SELECT FROM ai.agentos_sessions FOR UPDATE")
            gated.gate.set()
            await until(connection, WAITING)  # the run has ended, and its end is being stored
            calls = [asyncio.create_task(each.post(f"{RUNS}/{run_id}/cancel")) for each in (far, far, client)]
            await until(connection, "SELECT count(*) FROM ai.agentos_runs WHERE cancelling = 'cancel'")
        answers = await asyncio.gather(*calls)
        assert ends((await call).text) == ["RunCompleted"]
    assert [answer.status_code for answer in answers] == [409, 409, 409]


async def test_a_user_who_keeps_sending_is_deleted(db, gated):
    """Each of her runs starts another one when it ends."""
    app = secured(AgentOS(agents=[agent(gated.answer, db=db)]).get_app())
    sent, is_deleted = [], asyncio.Event()
    async with serving(app) as client:

        async def send():
            while not is_deleted.is_set():
                body = {"message": "hi", "session_id": f"s{len(sent)}"}
                sent.append(await client.post(RUNS, json=body, headers=bearer("alice", "agents:*:run")))

        senders = [asyncio.create_task(send()) for _ in range(2)]
        await gated.waits.wait()
        receipt = await db.delete_user("alice", patience=timedelta(seconds=1))
        is_deleted.set()
        gated.gate.set()
        await asyncio.gather(*senders)
        await db.delete_user("alice")  # what she sent since
        again = await db.delete_user("alice")
    assert receipt.counts["runs"] > 0
    assert {answer.status_code for answer in sent} == {200}
    assert all(ends(answer.text) for answer in sent)
    assert set(again.counts.values()) == {0}


async def until(connection, count):
    async with asyncio.timeout(30):
        while connection.execute(count).fetchone() == (0,):
            await asyncio.sleep(0.01)
