"""A second message while a run of its session is live: the four policies."""

import asyncio

import pytest

from agentos.os import AgentOS
from tests.os.apps import Gated, agent, frames, serving

RUNS = "/agents/web/runs"


@pytest.fixture
def gated():
    return Gated()


@pytest.fixture
async def client(db, gated):
    async with serving(AgentOS(agents=[agent(gated.answer, db=db)]).get_app()) as client:
        yield client


def post(client, **fields):
    return asyncio.create_task(client.post(RUNS, json={"message": "hi", "session_id": "s1", **fields}))


async def statuses(client):
    return [run["status"] for run in (await client.get(f"{RUNS}?session_id=s1")).json()]


async def test_without_a_policy_runs_overlap(client, gated):
    first = post(client)
    await gated.waits.wait()
    gated.waits.clear()
    second = post(client)
    await gated.waits.wait()
    assert await statuses(client) == ["RUNNING", "RUNNING"]
    gated.gate.set()
    await asyncio.gather(first, second)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_message_that_is_enqueued_waits_for_its_turn(client, gated, stream):
    first = post(client)
    await gated.waits.wait()
    gated.waits.clear()
    second = post(client, multitask="enqueue", stream=stream)
    async with asyncio.timeout(20):
        while await statuses(client) != ["RUNNING", "PENDING"]:
            pass
    assert not gated.waits.is_set()
    gated.gate.set()
    assert frames((await first).text)[-1].event == "RunCompleted"
    answer = await second
    assert answer.status_code == 200
    content = frames(answer.text)[-1].data["content"] if stream else answer.json()["content"]
    assert content == "onetwo"
    assert await statuses(client) == ["COMPLETED", "COMPLETED"]


async def test_a_message_may_be_refused_instead(client, gated):
    first = post(client)
    await gated.waits.wait()
    refused = await post(client, multitask="reject")
    assert (refused.status_code, refused.json()["code"]) == (409, "session_busy")
    elsewhere = post(client, multitask="reject", session_id="s2")
    gated.gate.set()
    assert (await elsewhere).status_code == 200
    await first
    assert (await post(client, multitask="reject")).status_code == 200
    assert await statuses(client) == ["COMPLETED", "COMPLETED"]


@pytest.mark.parametrize(
    ("policy", "left"), [("interrupt", ["CANCELLED", "COMPLETED"]), ("rollback", ["COMPLETED"])]
)
async def test_a_message_may_end_the_run_before_it(client, gated, policy, left):
    first = post(client)
    await gated.waits.wait()
    second = post(client, multitask=policy)
    assert frames((await first).text)[-1].event == "RunCancelled"
    gated.gate.set()
    assert frames((await second).text)[-1].event == "RunCompleted"
    assert await statuses(client) == left


async def test_a_policy_that_is_none_is_refused(client):
    refused = await post(client, multitask="queue")
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "multitask"])
    assert (await client.get("/sessions")).json()["data"] == []
