"""A token that names a session: its caller works there and nowhere else."""

import asyncio

import pytest

from agentos.os import AgentOS
from tests.os.apps import ADMIN, agent, bearer, frames, secured, serving

RUNS = "/agents/web/runs"
ANN, PINNED = bearer("ann"), bearer("ann", session_id="mine")
BOB, ROOT = bearer("bob", session_id="mine"), bearer("root", ADMIN)
PINNED_ROOT = bearer("root", ADMIN, session_id="mine")


@pytest.fixture
async def client(db):
    """Ann has two sessions with a run in each; a token of hers may name one."""
    async with serving(secured(AgentOS(agents=[agent("hello", db=db)]).get_app())) as client:
        for session_id in ("mine", "other"):
            await run(client, ANN, session_id=session_id)
        yield client


async def run(client, headers, **fields):
    body = {"message": "hi", "stream": False, **fields}
    response = await client.post(RUNS, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def runs_in(client, session_id):
    return (await client.get(f"/sessions/{session_id}/runs", headers=ANN)).json()


@pytest.mark.parametrize("asked", [{}, {"session_id": "other"}, {"session_id": "new"}])
async def test_a_run_goes_to_the_tokens_session_whatever_is_asked(client, asked):
    assert (await run(client, PINNED, **asked))["session_id"] == "mine"
    assert (len(await runs_in(client, "mine")), len(await runs_in(client, "other"))) == (2, 1)
    assert (await run(client, ANN, session_id="other"))["session_id"] == "other"


async def test_the_tokens_session_may_begin_with_the_token(client):
    assert (await run(client, bearer("ann", session_id="third")))["session_id"] == "third"
    form = {"message": "hi", "stream": "false", "session_id": "other"}
    by_form = await client.post(RUNS, data=form, headers=bearer("ann", session_id="third"))
    assert by_form.json()["session_id"] == "third"


REQUESTS = [
    ("GET", "/sessions/{}", None, 200),
    ("GET", "/sessions/{}?type=agent", None, 200),
    ("GET", "/sessions/{}/runs", None, 200),
    ("GET", "/sessions/{}/run-previews", None, 200),
    ("PATCH", "/sessions/{}", {"session_name": "New"}, 200),
    ("POST", "/sessions/{}/rename", {"session_name": "New"}, 200),
    ("DELETE", "/sessions/{}", None, 204),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS)
@pytest.mark.parametrize("caller", [PINNED, PINNED_ROOT])
async def test_another_session_isnt_there(client, method, path, body, status, caller):
    before = (await client.get("/sessions/other", headers=ANN)).json()
    refused = await client.request(method, path.format("other"), json=body, headers=caller)
    absent = await client.request(method, path.format("absent"), json=body, headers=caller)
    assert (refused.status_code, absent.status_code) == (404, 404)
    assert refused.text.replace("other", "absent") == absent.text
    assert (await client.get("/sessions/other", headers=ANN)).json() == before
    allowed = await client.request(method, path.format("mine"), json=body, headers=caller)
    assert allowed.status_code == status
    unpinned = await client.request(method, path.format("other"), json=body, headers=ANN)
    assert unpinned.status_code == status


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS)
async def test_a_token_that_names_anothers_session_opens_nothing(client, method, path, body, status):
    answer = await client.request(method, path.format("mine"), json=body, headers=BOB)
    assert answer.status_code == (204 if method == "DELETE" else 404)
    assert (await client.get("/sessions/mine", headers=ANN)).json()["session_name"] == "hi"
    assert (await client.request(method, path.format("mine"), json=body, headers=ROOT)).status_code == status


async def test_a_token_that_names_a_session_begins_one_of_its_own_user(client):
    before = await runs_in(client, "mine")
    assert (await run(client, BOB))["user_id"] == "bob"
    assert await runs_in(client, "mine") == before
    assert len((await client.get("/sessions/mine/runs", headers=BOB)).json()) == 1


async def test_lists_show_and_count_the_tokens_session_only(client):
    async def listed(headers):
        answer = (await client.get("/sessions", headers=headers)).json()
        return {row["session_id"] for row in answer["data"]}, answer["meta"]["total_count"]

    assert await listed(PINNED) == ({"mine"}, 1)
    assert await listed(PINNED_ROOT) == ({"mine"}, 1)
    assert await listed(ANN) == ({"mine", "other"}, 2)
    assert await listed(BOB) == (set(), 0)
    assert await listed(bearer("ann", session_id="absent")) == (set(), 0)


async def test_only_the_tokens_session_can_be_made(client):
    fresh = bearer("ann", session_id="fresh")
    for asked in ({"session_id": "elsewhere"}, {}):
        made = await client.post("/sessions", json=asked, headers=fresh)
        assert made.status_code in (201, 409)
        assert (await client.get("/sessions/elsewhere", headers=ANN)).status_code == 404
    assert (await client.get("/sessions/fresh", headers=ANN)).status_code == 200
    assert (await client.post("/sessions", json={"session_id": "free"}, headers=ANN)).status_code == 201


async def test_deleting_many_deletes_the_tokens_session_only(client):
    body = {"session_ids": ["mine", "other"], "session_types": ["agent", "agent"]}
    assert (await client.request("DELETE", "/sessions", json=body, headers=PINNED)).status_code == 204
    assert (await client.get("/sessions/mine", headers=ANN)).status_code == 404
    assert (await client.get("/sessions/other", headers=ANN)).status_code == 200
    assert (await client.request("DELETE", "/sessions", json=body, headers=ANN)).status_code == 204
    assert (await client.get("/sessions/other", headers=ANN)).status_code == 404


async def test_runs_of_another_session_arent_there_stored(client):
    (mine,), (other,) = await runs_in(client, "mine"), await runs_in(client, "other")
    for run_id, status in ((mine["run_id"], 200), (other["run_id"], 404)):
        for path in (
            f"{RUNS}/{run_id}",
            f"{RUNS}/{run_id}/events",
            f"{RUNS}/{run_id}?session_id=other",
            f"/sessions/mine/runs/{run_id}",
        ):
            assert (await client.get(path, headers=PINNED)).status_code == status, path
    assert (await client.get(f"/sessions/other/runs/{other['run_id']}", headers=PINNED)).status_code == 404
    assert (await client.get(f"/sessions/other/runs/{other['run_id']}", headers=ANN)).status_code == 200
    assert (await client.get(f"{RUNS}/{other['run_id']}", headers=ANN)).status_code == 200
    listed = (await client.get(f"{RUNS}?session_id=other", headers=PINNED)).json()
    assert [each["run_id"] for each in listed] == [mine["run_id"]]


async def test_runs_of_another_session_arent_there_live(db):
    gate, waits = asyncio.Event(), asyncio.Event()

    async def answer(request):
        yield "one"
        waits.set()
        await gate.wait()

    async with serving(secured(AgentOS(agents=[agent(answer, db=db)]).get_app())) as client:
        body = {"message": "hi", "session_id": "other"}
        call = asyncio.create_task(client.post(RUNS, json=body, headers=ANN))
        await waits.wait()
        (live,) = (await client.get(f"{RUNS}?session_id=other", headers=ANN)).json()
        for path in (f"{RUNS}/{live['run_id']}", f"{RUNS}/{live['run_id']}/events"):
            assert (await client.get(path, headers=PINNED)).status_code == 404
        there = bearer("ann", session_id="other")
        assert (await client.get(f"{RUNS}/{live['run_id']}", headers=there)).status_code == 200
        followed = asyncio.create_task(client.get(f"{RUNS}/{live['run_id']}/events", headers=there))
        gate.set()
        assert frames((await followed).text)[-1].event == "RunCompleted"
        await call


async def test_memories_are_the_users_whichever_session_the_token_names(client):
    made = (await client.post("/memories", json={"memory": "likes tea"}, headers=PINNED)).json()
    path = f"/memories/{made['memory_id']}"
    assert (await client.get(path, headers=ANN)).status_code == 200
    assert (await client.get(path, headers=PINNED)).status_code == 200
    assert (await client.get(path, headers=BOB)).status_code == 404
    assert (await client.get(path, headers=ROOT)).status_code == 200


async def test_the_claim_may_have_another_name(db):
    app = secured(AgentOS(agents=[agent("hello", db=db)]).get_app(), session_id_claim="conversation")
    async with serving(app) as client:
        pinned = bearer("ann", conversation="mine", session_id="ignored")
        assert (await run(client, pinned, session_id="other"))["session_id"] == "mine"
        assert (await client.get("/sessions/ignored", headers=pinned)).status_code == 404
