"""Following runs: live, from the log, from another process; and whose runs they are."""

import asyncio

import pytest

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.os.http import sse
from tests.os.apps import ADMIN, agent, bearer, frames, secured, serving, standing

RUNS = "/agents/web/runs"


@pytest.fixture
def app(db, gated):
    return AgentOS(agents=[agent(gated.answer, db=db)]).get_app()


def names(text):
    return [(frame.id, frame.event) for frame in frames(text)]


ALL = [
    (1, "RunStarted"),
    (2, "ModelRequestStarted"),
    (3, "RunContent"),
    (4, "RunContent"),
    (5, "ModelRequestCompleted"),
    (6, "RunContentCompleted"),
    (7, "RunCompleted"),
]


async def test_a_live_run_is_followed_from_its_beginning(app, gated):
    async with serving(app) as client, standing(client, gated) as (run_id, call):
        follower = asyncio.create_task(client.get(f"{RUNS}/{run_id}/events"))
        gated.gate.set()
        assert names((await follower).text) == names((await call).text) == ALL


@pytest.mark.parametrize(
    "place", [{"params": {"after": 3}}, {"headers": {"Last-Event-ID": "3"}, "params": {"after": 1}}]
)
async def test_a_run_is_followed_from_behind_what_was_seen(app, gated, place):
    async with serving(app) as client:
        async with standing(client, gated) as (run_id, call):
            follower = asyncio.create_task(client.get(f"{RUNS}/{run_id}/events", **place))
            gated.gate.set()
            assert names((await follower).text) == ALL[3:]
            await call
        assert names((await client.get(f"{RUNS}/{run_id}/events", **place)).text) == ALL[3:]


async def test_a_run_that_is_over_is_read_from_the_log_byte_for_byte(app, gated):
    gated.gate.set()
    async with serving(app) as client:
        first = await client.post(RUNS, json={"message": "hi"})
        again = await client.get(f"{RUNS}/{frames(first.text)[0].data['run_id']}/events")
        assert again.text == first.text


async def test_a_run_of_another_process_is_followed_to_its_end(app, gated, database):
    other = AgentOS(agents=[agent(db=PostgresDb(database))]).get_app()
    async with serving(app) as client, serving(other) as far, standing(client, gated) as (run_id, call):
        follower = asyncio.create_task(far.get(f"{RUNS}/{run_id}/events"))
        gated.gate.set()
        assert names((await follower).text) == names((await call).text)


async def test_a_run_without_a_log_sends_its_followers_elsewhere_the_end(app, gated, database):
    other = AgentOS(agents=[agent(db=PostgresDb(database))]).get_app()
    async with (
        serving(app) as client,
        serving(other) as far,
        standing(client, gated, stream=False) as (run_id, _),
    ):
        follower = asyncio.create_task(far.get(f"{RUNS}/{run_id}/events"))
        gated.gate.set()
        assert [frame.event for frame in frames((await follower).text)] == ["RunCompleted"]


async def test_only_the_answer_is_followed_if_asked_for(app, gated):
    gated.gate.set()
    async with serving(app) as client:
        run_id = frames((await client.post(RUNS, json={"message": "hi"})).text)[0].data["run_id"]
        followed = await client.get(f"{RUNS}/{run_id}/events?stream_events=false")
        assert names(followed.text) == ALL[2:4]


@pytest.mark.parametrize("place", ["after=-1", "after=x", "after=99999999999999999999"])
async def test_a_place_that_is_none_is_refused(empty_db, place):
    async with serving(AgentOS(agents=[agent()], db=empty_db).get_app()) as client:
        assert (await client.get(f"{RUNS}/x/events?{place}")).status_code == 422
        assert (await client.get(f"{RUNS}/x/events", headers={"Last-Event-ID": "x"})).status_code == 422


async def test_a_live_run_is_as_private_as_a_stored_one(app, gated):
    secured(app)
    async with serving(app) as client:
        client.headers = bearer("ann")
        async with standing(client, gated) as (run_id, _):
            await private(client, run_id, events=False)
        await private(client, run_id, events=True)


async def private(client, run_id, *, events):
    """Nobody but ann and administrators finds her run. Those who do would wait for a live one's events."""
    urls = [f"{RUNS}/{run_id}", f"{RUNS}?session_id=s1", f"{RUNS}/{run_id}/events"]
    callers = {
        200: [bearer("ann"), bearer("root", ADMIN)],
        404: [bearer("bob"), bearer("ann ")],
        403: [bearer(None)],
    }
    for status, headers in callers.items():
        for url in urls if events or status != 200 else urls[:2]:
            for caller in headers:
                answered = await client.get(url, headers=caller)
                assert answered.status_code == status, (url, answered.text)
    admin_as_bob = await client.get(f"{urls[0]}?user_id=bob", headers=bearer("root", ADMIN))
    assert admin_as_bob.status_code == 404
    ann_as_bob = await client.get(f"{urls[0]}?user_id=bob", headers=bearer("ann"))
    assert ann_as_bob.status_code == 200


async def test_a_run_is_found_only_under_its_agent_and_its_session(db, gated):
    app = AgentOS(agents=[agent(gated.answer, db=db), agent(called="other", db=db)]).get_app()
    async with serving(app) as client:
        async with standing(client, gated) as (run_id, _):
            await placed(client, run_id)
        await placed(client, run_id)


async def placed(client, run_id):
    assert (await client.get(f"{RUNS}/{run_id}?session_id=s1")).json()["run_id"] == run_id
    for url in (f"/agents/other/runs/{run_id}", f"{RUNS}/{run_id}?session_id=s2"):
        absent = await client.get(url)
        assert (absent.status_code, absent.json()["detail"]) == (404, "Run not found")
        path, _, query = url.partition("?")
        assert (await client.get(f"{path}/events?{query}")).status_code == 404


async def test_silence_is_broken_by_a_comment(app, gated):
    async with serving(app) as client, standing(client, gated) as (run_id, _):
        live = app.state.agentos.runs.live.get(run_id)
        shown = sse.frames(live.buffer.follow_batches, after=3, keep_alive=0.001)
        assert [await anext(shown), await anext(shown)] == [sse.KEEP_ALIVE] * 2
        gated.gate.set()
        rest = b"".join([piece async for piece in shown]).decode()
        assert names(rest) == ALL[3:]
        assert sse.KEEP_ALIVE.decode().startswith(":")


async def test_what_is_ready_at_once_is_one_piece(db):
    async with serving(AgentOS(agents=[agent([*"abc"], db=db)]).get_app()) as client:
        run_id = frames((await client.post(RUNS, json={"message": "hi"})).text)[0].data["run_id"]
        async with client.stream("GET", f"{RUNS}/{run_id}/events") as response:
            pieces = [piece async for piece in response.aiter_raw()]
        assert len([piece for piece in pieces if piece]) == 1


async def test_ending_the_server_ends_its_runs_and_stores_them(app, gated, db):
    async with serving(app) as client, standing(client, gated) as (run_id, call):
        await app.state.agentos.runs.live.close(grace=0)
        assert names((await call).text)[-1][1] == "RunCancelled"
        assert (await client.get(f"{RUNS}/{run_id}")).json()["status"] == "CANCELLED"


async def test_what_nobody_keeps_cant_be_followed(gated):
    app = AgentOS(agents=[agent(gated.answer)]).get_app()
    async with serving(app) as client:
        call = asyncio.create_task(client.post(RUNS, json={"message": "hi", "stream": False}))
        await gated.waits.wait()
        gated.gate.set()
        run = (await call).json()
        assert (await client.get(f"{RUNS}/{run['run_id']}/events")).status_code == 404
