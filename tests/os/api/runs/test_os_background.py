"""Runs in the background, and requests that come twice."""

import asyncio

import pytest

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.os.server.limits import QueueConfig
from tests.os.apps import ADMIN, Gated, agent, bearer, frames, secured, serving

RUNS = "/agents/web/runs"
KEY = {"Idempotency-Key": "one request"}


@pytest.fixture
async def client(db):
    async with serving(AgentOS(agents=[agent(["hel", "lo"], db=db)]).get_app()) as client:
        yield client


async def accepted(client, headers=None, **fields):
    body = {"message": "hi", "background": True, "stream": False, **fields}
    answer = await client.post(RUNS, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def followed(client, run_id):
    return (await client.get(f"{RUNS}/{run_id}/events")).text


async def test_a_background_run_is_accepted_and_then_found(client):
    told = await accepted(client, session_id="s1")
    assert told == {"run_id": told["run_id"], "session_id": "s1", "status": "PENDING"}
    assert frames(await followed(client, told["run_id"]))[-1].event == "RunCompleted"
    run = (await client.get(f"{RUNS}/{told['run_id']}?session_id=s1")).json()
    assert (run["status"], run["content"]) == ("COMPLETED", "hello")


async def test_a_background_stream_begins_at_the_beginning(client):
    streamed = await client.post(RUNS, data={"message": "hi", "background": "true"})
    shown = frames(streamed.text)
    assert [frame.id for frame in shown] == list(range(1, len(shown) + 1))
    assert [frame.data["event_index"] for frame in shown] == list(range(len(shown)))
    assert (shown[0].event, shown[-1].event) == ("RunStarted", "RunCompleted")
    assert await followed(client, shown[0].data["run_id"]) == streamed.text


async def test_a_background_run_without_a_database_is_refused():
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        body = {"message": "hi", "stream": False}
        refused = await client.post(RUNS, json={**body, "background": True})
        assert (refused.status_code, refused.json()["code"]) == (400, "no_database")
        keyed = await client.post(RUNS, json=body, headers=KEY)
        assert (keyed.status_code, "database" in keyed.json()["detail"]) == (400, True)
        assert (await client.post(RUNS, json=body)).status_code == 200


async def test_another_process_executes_what_one_accepts(db, database):
    """The first is full, so that only the second can."""
    gated = Gated()
    busy = QueueConfig(max_running_per_process=1)
    first = AgentOS(agents=[agent(gated.answer, db=db)], queue=busy).get_app()
    second = AgentOS(agents=[agent("from afar", db=PostgresDb(database))]).get_app()
    async with serving(first) as here, serving(second):
        standing = asyncio.create_task(here.post(RUNS, json={"message": "hi", "stream": False}))
        await gated.waits.wait()
        told = await accepted(here)
        assert frames(await followed(here, told["run_id"]))[-1].data["content"] == "from afar"
        gated.gate.set()
        assert (await standing).json()["content"] == "onetwo"


async def test_a_full_queue_says_when_to_come_again(db):
    gated = Gated()
    queue = QueueConfig(max_running=1, max_queued=1)
    async with serving(AgentOS(agents=[agent(gated.answer, db=db)], queue=queue).get_app()) as client:
        first = await accepted(client)
        await gated.waits.wait()
        second = await accepted(client)
        full = await client.post(RUNS, json={"message": "hi", "background": True})
        assert (full.status_code, full.json()["code"]) == (429, "queue_full")
        assert int(full.headers["retry-after"]) > 0
        gated.gate.set()
        for run in (first, second):
            assert frames(await followed(client, run["run_id"]))[-1].event == "RunCompleted"
        await accepted(client)


async def test_one_user_can_fill_a_share_of_the_queue_and_others_still_come_in(db):
    gated = Gated()
    queue = QueueConfig(max_running=1, max_queued=10)
    app = secured(AgentOS(agents=[agent(gated.answer, db=db)], queue=queue).get_app())
    ask = {"message": "hi", "background": True, "stream": False}
    async with serving(app) as client:
        running = await client.post(RUNS, json=ask, headers=bearer("ann"))
        await gated.waits.wait()
        answers = [await client.post(RUNS, json=ask, headers=bearer("ann")) for _ in range(3)]
        assert [each.status_code for each in answers] == [202, 202, 429]
        assert answers[-1].json()["detail"] == "Too many of your runs are queued. Try again later."
        for other in (bearer("bob"), bearer("root", ADMIN)):
            assert (await client.post(RUNS, json=ask, headers=other)).status_code == 202
        gated.gate.set()
        assert running.status_code == 202


@pytest.mark.parametrize(
    ("queue", "most"),
    [
        (QueueConfig(), 200),
        (QueueConfig(max_queued=3), 1),
        (QueueConfig(max_queued_per_user=7), 7),
        (QueueConfig(max_queued_per_user=None), None),
    ],
)
def test_the_share_is_a_fifth_unless_said_otherwise(queue: QueueConfig, most: int | None):
    assert queue.capacity.queued_per_user == most


async def test_the_same_request_gets_the_same_background_run(client):
    told = await accepted(client, KEY)
    await followed(client, told["run_id"])
    again = await accepted(client, KEY)
    assert again == {**told, "status": "COMPLETED"}
    assert (await accepted(client, {"Idempotency-Key": "another"}))["run_id"] != told["run_id"]
    assert (await accepted(client))["run_id"] != told["run_id"]


@pytest.mark.parametrize("stream", [True, False])
async def test_the_same_request_gets_the_same_answer(client, stream):
    body = {"message": "hi", "stream": stream, "session_state": {"a": 1}}
    first = await client.post(RUNS, json=body, headers=KEY)
    again = await client.post(RUNS, json=body, headers=KEY)
    assert again.status_code == 200
    if stream:
        assert again.text == first.text
    else:
        assert again.json() | {"metrics": {}} == first.json() | {"metrics": {}}
    session_id = first.json()["session_id"] if not stream else frames(first.text)[0].data["session_id"]
    assert len((await client.get(f"{RUNS}?session_id={session_id}")).json()) == 1


async def test_the_same_request_sent_meanwhile_waits_for_the_same_run(db):
    gated = Gated()
    async with serving(AgentOS(agents=[agent(gated.answer, db=db)]).get_app()) as client:
        body = {"message": "hi", "stream": False}
        first = asyncio.create_task(client.post(RUNS, json=body, headers=KEY))
        await gated.waits.wait()
        gated.waits.clear()
        second = asyncio.create_task(client.post(RUNS, json=body, headers=KEY))
        gated.gate.set()
        assert (await first).json()["run_id"] == (await second).json()["run_id"]
        assert not gated.waits.is_set()


FILE = ("files", ("a.txt", b"one", "text/plain"))


@pytest.mark.parametrize(
    "other",
    [
        {"data": {"message": "ho"}, "files": [FILE]},
        {"data": {"message": "hi", "stream": "false"}, "files": [FILE]},
        {"data": {"message": "hi", "session_id": "s1"}, "files": [FILE]},
        {"data": {"message": "hi"}, "files": [("files", ("a.txt", b"two", "text/plain"))]},
        {"data": {"message": "hi"}},
    ],
    ids=["message", "stream", "session", "file", "no file"],
)
async def test_another_request_under_the_same_key_is_refused(client, other):
    first = await client.post(RUNS, data={"message": "hi"}, files=[FILE], headers=KEY)
    refused = await client.post(RUNS, headers=KEY, **other)
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_conflict")
    same = await client.post(RUNS, data={"message": "hi"}, files=[FILE], headers=KEY)
    assert same.text == first.text


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none_is_refused(client, key):
    refused = await client.post(RUNS, json={"message": "hi"}, headers={"Idempotency-Key": key})
    assert refused.status_code == 422
    longest = {"Idempotency-Key": "x" * 255}
    assert (await client.post(RUNS, json={"message": "hi"}, headers=longest)).status_code == 200


async def test_a_key_is_its_users_own(db):
    async with serving(secured(AgentOS(agents=[agent(db=db)]).get_app())) as client:
        callers = [bearer("ann"), bearer("bob"), bearer("root", ADMIN)]
        runs = [(await accepted(client, {**KEY, **caller}))["run_id"] for caller in callers]
        assert len(set(runs)) == 3
        assert [(await accepted(client, {**KEY, **caller}))["run_id"] for caller in callers] == runs


async def test_a_background_run_is_as_private_as_any(db):
    async with serving(secured(AgentOS(agents=[agent(db=db)]).get_app())) as client:
        told = await accepted(client, bearer("ann"))
        statuses = {}
        for name, caller in {"ann": bearer("ann"), "bob": bearer("bob"), "root": bearer("x", ADMIN)}.items():
            answer = await client.get(f"{RUNS}/{told['run_id']}/events", headers=caller)
            statuses[name] = answer.status_code
        assert statuses == {"ann": 200, "bob": 404, "root": 200}
