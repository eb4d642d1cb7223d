"""Following runs of which no event was logged, and runs of which every event was seen."""

import asyncio

import pytest

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.run.last_event import restored
from agentos.run.owner import ANYONE
from agentos.run.wire import encode_event
from tests.conftest import administering
from tests.os.api.runs.test_os_continue import Post
from tests.os.apps import agent, calls_once, frames, serving, standing

RUNS = "/agents/web/runs"


def fails(request):
    raise RuntimeError("no")


@pytest.fixture
def app(db, gated):
    letter = Post().letter(requires_confirmation=True)
    agents = {
        "web": agent("hello", db=db),
        "broken": agent(fails, called="broken", db=db),
        "gated": agent(gated.answer, called="gated", db=db),
        "waits": agent(calls_once("send", to="bo"), called="waits", db=db, tools=[letter]),
    }
    return AgentOS(agents=list(agents.values())).get_app()


async def whole(client, called="web", **fields):
    """A run of which no event is logged."""
    url = f"/agents/{called}/runs"
    body = {"message": "hi", "session_id": "s1", "stream": False, **fields}
    run = (await client.post(url, json=body)).json()
    return run, f"{url}/{run['run_id']}"


async def both(client, url, seen=None, **params):
    """The answers of both ways to follow a run. `seen` is the `id` of the last event."""
    headers = {} if seen is None else {"Last-Event-ID": str(seen)}
    index = {} if seen is None else {"last_event_index": seen - 1}
    followed = await client.get(f"{url}/events", headers=headers, params=params)
    resumed = await client.post(f"{url}/resume", json={**index, **params})
    assert (followed.status_code, followed.text) == (resumed.status_code, resumed.text)
    return followed


@pytest.mark.parametrize(
    ("called", "event", "status"),
    [("web", "RunCompleted", 204), ("broken", "RunError", 204), ("waits", "RunPaused", 200)],
)
@pytest.mark.parametrize("all_events", [True, False])
async def test_a_run_without_a_log_tells_how_it_ended_and_then_nothing(
    app, called, event, status, all_events
):
    async with serving(app) as client:
        run, url = await whole(client, called)
        told = await both(client, url, stream_events=all_events)
        (frame,) = frames(told.text)
        assert (told.status_code, frame.event) == (200, event)
        assert {name: frame.data.get(name) for name in ("run_id", "content")} == {
            "run_id": run["run_id"],
            "content": run.get("content"),
        }
        assert frame.data["event_index"] == frame.id - 1
        assert [each.text for each in (await both(client, url), await both(client, url, 0))] == [
            told.text
        ] * 2
        # A paused run may yet continue, so its follower reconnects.
        nothing = await both(client, url, frame.id, stream_events=all_events)
        assert (nothing.status_code, nothing.content) == (status, b"")


@pytest.mark.parametrize("called", ["web", "broken", "waits"])
async def test_the_end_is_the_event_that_would_have_been_logged(app, db, called):
    async with serving(app) as client:
        sent = await client.post(f"/agents/{called}/runs", json={"message": "hi", "session_id": "s1"})
        *_, last = frames(sent.text)
        run = await db.get_run(last.data["run_id"], owner=ANYONE)
        event = restored(run, run.last_seq)
        event.created_at = last.data["created_at"]
        assert f"id: {last.id}\nevent: {last.event}\ndata: {encode_event(event)[1]}\n\n" in sent.text


async def test_a_cancelled_run_without_a_log_tells_so(app, gated, database):
    other = AgentOS(agents=[agent(called="gated", db=PostgresDb(database))]).get_app()
    async with serving(app) as client, serving(other) as far:
        call = asyncio.create_task(whole(client, "gated", stream=False))
        await gated.waits.wait()
        (run,) = (await client.get("/agents/gated/runs?session_id=s1")).json()
        url = f"/agents/gated/runs/{run['run_id']}"
        follower = asyncio.create_task(far.get(f"{url}/events"))
        await client.post(f"{url}/cancel")
        await call
        assert [frame.event for frame in frames((await follower).text)] == ["RunCancelled"]
        assert [frame.event for frame in frames((await both(client, url)).text)] == ["RunCancelled"]


async def test_who_has_followed_a_live_run_without_a_log_gets_its_end_once(db, gated):
    app = AgentOS(agents=[agent(gated.answer, db=db)]).get_app()
    async with serving(app) as client, standing(client, gated, stream=False) as (run_id, call):
        follower = asyncio.create_task(client.get(f"{RUNS}/{run_id}/events"))
        gated.gate.set()
        await call
        *earlier, last = frames((await follower).text)
        assert last.event == "RunCompleted"
        for seen, expected in [(earlier[-1].id, 200), (last.id, 204)]:
            told = await both(client, f"{RUNS}/{run_id}", seen)
            assert told.status_code == expected
            assert [frame.id for frame in frames(told.text)] == ([last.id] if expected == 200 else [])


async def test_events_after_an_unlogged_pause_are_numbered_after_it(app):
    async with serving(app) as client:
        run, url = await whole(client, "waits")
        (pause,) = frames((await both(client, url)).text)
        decided = [{**tool, "confirmed": True} for tool in run["tools"]]
        continued = frames((await client.post(f"{url}/continue", json={"tools": decided})).text)
        assert [frame.id for frame in continued] == [pause.id + 1 + place for place in range(len(continued))]
        for seen in (None, pause.id):
            assert frames((await both(client, url, seen)).text) == continued


async def test_who_wanted_the_answer_only_and_has_it_gets_nothing(app):
    async with serving(app) as client:
        sent = await client.post(RUNS, json={"message": "hi", "stream_events": True})
        url = f"{RUNS}/{frames(sent.text)[0].data['run_id']}"
        (piece,) = frames((await both(client, url, stream_events=False)).text)
        assert (piece.event, piece.data["content"]) == ("RunContent", "hello")
        assert (await both(client, url, piece.id, stream_events=False)).status_code == 204
        assert (await both(client, url, piece.id)).status_code == 200


async def test_a_repeated_request_streams_the_end_of_a_run_that_has_no_log(app):
    async with serving(app) as client:
        headers, body = {"Idempotency-Key": "k1"}, {"message": "hi", "session_id": "s1", "stream": False}
        await client.post(RUNS, json=body, headers=headers)
        again = await client.post(RUNS, json=body, headers=headers)
        streamed = await both(client, f"{RUNS}/{again.json()['run_id']}")
        assert frames(streamed.text)[0].data["content"] == again.json()["content"] == "hello"


ODD = {
    "RunContent": '{"event":"RunContent","content":"hi"}',
    "RunCompleted": '{"event":"RunCompleted","agent_id":5}',
    "Nonsense": '{"a":[1]}',
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("all_events", [True, False])
async def test_a_log_with_an_odd_event_ends_with_a_sentence(app, database, name, all_events, caplog):
    async with serving(app) as client:
        run, url = await whole(client)
        with administering(database) as connection:
            connection.execute(
                "INSERT INTO ai.agentos_run_events (run_id, seq, name, text) VALUES (%s, 1, %s, %s)",
                (run["run_id"], name, ODD[name]),
            )
        followed = await both(client, url, stream_events=all_events)
    assert followed.status_code == 200
    if name == "RunContent":  # a piece of text is sent unread
        assert "StreamClosed" not in followed.text
    else:
        last = followed.text.removesuffix("\n\n").split("\n\n")[-1]
        assert last.startswith("event: StreamClosed")
        assert "get the run itself instead" in last
    assert "Traceback" not in caplog.text
