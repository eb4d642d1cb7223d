"""`resume`, the contract's way to go on with a stream; and reconnecting at every place there is."""

import asyncio

import pytest

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from tests.os.apps import ADMIN, agent, bearer, frames, secured, serving

RUNS = "/agents/web/runs"


@pytest.fixture
def app(db, gated):
    return AgentOS(agents=[agent(gated.answer, db=db)]).get_app()


def pieces(text):
    """The stream, frame by frame."""
    return [f"{block}\n\n" for block in text.split("\n\n") if block]


async def test_reconnecting_at_every_frame_loses_and_repeats_nothing(app, gated, database):
    gated.gate.set()
    other = AgentOS(agents=[agent(db=PostgresDb(database))]).get_app()
    async with serving(app) as client, serving(other) as far:
        whole = (await client.post(RUNS, json={"message": "hi"})).text
        url = f"{RUNS}/{frames(whole)[0].data['run_id']}"
        for cut in range(len(pieces(whole)) + 1):
            seen = "".join(pieces(whole)[:cut])
            index = {} if cut == 0 else {"last_event_index": frames(seen)[-1].data["event_index"]}
            for replica in (client, far):
                resumed = await replica.post(f"{url}/resume", data=index)
                is_over = cut == len(pieces(whole))
                assert resumed.status_code == (204 if is_over else 200)
                kind = resumed.headers.get("content-type", "").partition(";")[0]
                assert kind == ("" if is_over else "text/event-stream")
                assert seen + resumed.text == whole
                followed = await replica.get(f"{url}/events", params={"after": cut})
                assert (followed.status_code, followed.text) == (resumed.status_code, resumed.text)


@pytest.mark.parametrize("form", [{"data": {"last_event_index": "1"}}, {"json": {"last_event_index": 1}}])
async def test_a_live_run_is_resumed_to_its_end(app, gated, database, form):
    other = AgentOS(agents=[agent(db=PostgresDb(database))]).get_app()
    async with serving(app) as client, serving(other) as far:
        call = asyncio.create_task(client.post(RUNS, json={"message": "hi", "session_id": "s1"}))
        await gated.waits.wait()
        (run,) = (await client.get(f"{RUNS}?session_id=s1")).json()
        url = f"{RUNS}/{run['run_id']}/resume"
        resuming = [asyncio.create_task(replica.post(url, **form)) for replica in (client, far)]
        gated.gate.set()
        rest = "".join(pieces((await call).text)[2:])
        assert [(await each).text for each in resuming] == [rest, rest]


async def test_only_the_answer_is_resumed_if_asked_for(app, gated):
    gated.gate.set()
    async with serving(app) as client:
        whole = (await client.post(RUNS, json={"message": "hi"})).text
        url = f"{RUNS}/{frames(whole)[0].data['run_id']}/resume"
        resumed = await client.post(url, data={"stream_events": "false"})
        assert [frame.data["content"] for frame in frames(resumed.text)] == ["one", "two"]


@pytest.mark.parametrize("index", ["-2", "x", "99999999999999999999"])
async def test_an_index_that_is_none_is_refused(app, gated, index):
    async with serving(app) as client:
        refused = await client.post(f"{RUNS}/x/resume", data={"last_event_index": index})
        assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (
            422,
            ["body", "last_event_index"],
        )
        absent = await client.post(f"{RUNS}/x/resume", data={"last_event_index": "1"})
        assert (absent.status_code, absent.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("way", ["resume", "continue"])
@pytest.mark.parametrize("name", ["files", "note", "session_id"])
async def test_requests_that_take_no_files_refuse_them(app, gated, way, name):
    gated.gate.set()
    async with serving(app) as client:
        run_id = frames((await client.post(RUNS, json={"message": "hi"})).text)[0].data["run_id"]
        url, fields = f"{RUNS}/{run_id}/{way}", {"user_id": "", "regenerate": "true"}
        refused = await client.post(url, data=fields, files={name: ("a.txt", b"hi", "text/plain")})
        assert refused.status_code == 422
        (detail,) = refused.json()["detail"]
        assert (detail["type"], detail["loc"]) == ("file_unexpected", ["body", name])
        assert (await client.post(url, data=fields)).status_code == 200


async def test_a_run_is_resumed_by_its_user_and_admins_only(app, gated):
    gated.gate.set()
    async with serving(secured(app, all_users_scope="all:read")) as client:
        ann = bearer("ann")
        whole = (await client.post(RUNS, json={"message": "hi", "session_id": "s1"}, headers=ann)).text
        url = f"{RUNS}/{frames(whole)[0].data['run_id']}/resume"
        for caller in (
            ann,
            bearer("root", ADMIN),
            bearer("bob", "agents:run", "all:read"),
            bearer("ann", session_id="s1"),
        ):
            assert (await client.post(url, headers=caller)).text == whole
        for caller in (bearer("bob"), bearer("ann", session_id="s2")):
            body = {"user_id": "ann", "session_id": "s1"}
            assert (await client.post(url, data=body, headers=caller)).status_code == 404
        assert (await client.post(url, headers=bearer("ann", "agents:read"))).status_code == 403
