"""Paused runs, and everybody who tries to get more out of continuing and approving than is theirs."""

import pytest

from agentos.agent import Agent
from agentos.models.base import ModelResponse
from agentos.models.function import FunctionModel
from agentos.os import AgentOS
from agentos.run.owner import ANYONE
from agentos.run.runnable import RunContext
from agentos.tools import approval, tool
from tests.agent.models import call
from tests.os.apps import ADMIN, USER_SCOPES, bearer, secured, serving

RUNS = "/agents/web/runs"
paid: list[str] = []
acted_as: list[object] = []


@tool(requires_confirmation=True)
def ask() -> str:
    """Asks for leave."""
    return "granted"


def act(context: RunContext) -> str:
    """Shows whose rows the run may touch."""
    acted_as.append(context.owner)
    return "acted"


@approval
def pay(to: str) -> str:
    """Pays somebody."""
    paid.append(to)
    return "paid"


SCRIPTS = {"act": [call("ask"), call("act")], "pay": [call("pay", {"to": "bo"})]}


def playing(request) -> ModelResponse:
    """Makes the calls that the last message of the user's names, one a turn."""
    users = [place for place, each in enumerate(request.messages) if each.role == "user"]
    turn = sum(each.role == "assistant" for each in request.messages[users[-1] :])
    calls = SCRIPTS[request.messages[users[-1]].content]
    if turn < len(calls):
        return ModelResponse(tool_calls=[calls[turn].model_copy(update={"id": f"call-{turn}"})])
    return ModelResponse(content="done")


@pytest.fixture
def agents(db):
    paid.clear()
    acted_as.clear()
    return [Agent(id="web", model=FunctionModel(playing), tools=[ask, act, pay], db=db)]


@pytest.fixture
async def client(agents):
    async with serving(secured(AgentOS(agents=agents).get_app())) as client:
        yield client


@pytest.fixture
async def trusting(agents):
    """Where users see each other's rows."""
    async with serving(secured(AgentOS(agents=agents).get_app(), user_isolation=False)) as client:
        yield client


ROOT, ALICE, BOB = bearer("root", ADMIN), bearer("alice"), bearer("bob")
APPROVERS = [*USER_SCOPES, "approvals:read", "approvals:write"]


async def run(client, headers, message, **sent):
    body = {"message": message, "stream": False, **sent}
    answer = await client.post(RUNS, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def go_on(client, headers, paused, **sent):
    body = {"stream": False, "session_id": paused["session_id"], **sent}
    return await client.post(f"{RUNS}/{paused['run_id']}/continue", json=body, headers=headers)


def confirmed(paused):
    return {"tools": [{**each, "confirmed": True} for each in paused["tools"]]}


async def pending(client, headers, paused):
    found = await client.get(f"/approvals?run_id={paused['run_id']}", headers=headers)
    return found.json()["data"][0]["id"]


async def approved(client, headers, approval_id):
    body = {"status": "approved"}
    return (await client.post(f"/approvals/{approval_id}/resolve", json=body, headers=headers)).status_code


@pytest.mark.parametrize("background", [False, True])
async def test_who_continues_a_run_lends_it_nothing(client, background):
    paused = await run(client, ALICE, "act")
    answer = await go_on(client, ROOT, paused, **confirmed(paused), background=background)
    assert answer.status_code == (202 if background else 200)
    if background:
        await client.get(f"{RUNS}/{paused['run_id']}/events", headers=ALICE)
    assert acted_as == ["alice"]


async def test_a_run_that_an_admin_began_is_continued_as_its_users(client):
    await run(client, ALICE, "act", session_id="s")
    paused = await run(client, ROOT, "act", session_id="s")
    answer = await go_on(client, ALICE, paused, **confirmed(paused))
    assert answer.status_code == 200
    assert acted_as == ["alice"]
    assert ANYONE not in acted_as


async def test_who_began_a_run_for_another_does_not_approve_of_it(client):
    paused = await run(client, ROOT, "pay", user_id="bob")
    approval_id = await pending(client, ROOT, paused)
    assert await approved(client, ROOT, approval_id) == 403
    assert await approved(client, bearer("carol", ADMIN), approval_id) == 200


async def test_who_began_a_run_in_anothers_session_does_not_approve_of_it(trusting):
    assert (await trusting.post("/sessions", json={"session_id": "bobs"}, headers=BOB)).status_code == 201
    paused = await run(trusting, ALICE, "pay", session_id="bobs")
    approval_id = await pending(trusting, ALICE, paused)
    assert await approved(trusting, ALICE, approval_id) == 403
    assert await approved(trusting, BOB, approval_id) == 403
    assert await approved(trusting, bearer("carol", *APPROVERS), approval_id) == 200


async def test_a_call_of_another_run_is_asked_for_again(client):
    paused = await run(client, ALICE, "pay")
    open_turn = 1 + next(place for place, each in enumerate(paused["messages"]) if each.get("tool_calls"))
    assert (await go_on(client, ALICE, paused, fork=True)).status_code == 422
    cancelled = await client.post(f"{RUNS}/{paused['run_id']}/cancel", headers=ALICE)
    assert cancelled.status_code == 200
    await client.get(f"{RUNS}/{paused['run_id']}/events", headers=ALICE)
    for sent in ({"fork": True}, {"continue_from": open_turn}, {"regenerate": True}):
        forked = await go_on(client, ALICE, paused, **sent)
        assert forked.status_code in {200, 422}, forked.text
        if forked.status_code == 200:
            assert forked.json()["status"] == "PAUSED"
    assert paid == []


async def test_who_asked_does_not_take_a_word_on_it_away(client):
    paused = await run(client, ALICE, "pay")
    target = f"/approvals/{await pending(client, ALICE, paused)}"
    assert (await client.post(f"{target}/resolve", json={"status": "rejected"}, headers=ROOT)).is_success
    assert (await client.delete(target, headers=ALICE)).status_code == 403
    assert (await client.delete(target, headers=BOB)).status_code == 404
    assert (await client.get(target, headers=ALICE)).json()["status"] == "rejected"
    assert (await client.delete(target, headers=ROOT)).status_code == 204


async def test_who_asked_may_take_the_question_back(client):
    paused = await run(client, ALICE, "pay")
    target = f"/approvals/{await pending(client, ALICE, paused)}"
    assert (await client.delete(target, headers=ALICE)).status_code == 204
    answer = await go_on(client, ALICE, paused, **confirmed(paused))
    assert answer.status_code == 422
    assert paid == []
