"""What a person gives for a waiting call: what doesn't fit is told to the person, never to the model."""

from typing import Annotated

import pytest
from pydantic import AfterValidator, Field

from agentos.errors import InvalidInputError
from agentos.os import AgentOS
from agentos.tools import approval, tool
from tests.os.apps import agent, bearer, calls_once, frames, secured, serving

RUNS = "/agents/web/runs"


def even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


class Shop:
    """Sells what a person says; `sold` counts."""

    def __init__(self):
        self.sold = []

    def order(self, amount: Annotated[int, Field(ge=1), AfterValidator(even)], what: str = "pens") -> str:
        """Orders something."""
        self.sold.append((amount, what))
        return f"{amount} {what}"

    def tool(self):
        return tool(requires_user_input=True, user_input_fields=["amount"])(self.order)


@pytest.fixture
def shop():
    return Shop()


def buying(shop, db=None, **options):
    made = options.pop("tool", None) or shop.tool()
    return agent(calls_once("order", what="ink"), db=db, tools=[made], **options)


async def paused(client, **fields):
    answer = await client.post(RUNS, json={"message": "go", "stream": False, "session_id": "s1"}, **fields)
    assert answer.json()["status"] == "PAUSED", answer.text
    return answer.json()


def filled(run, value):
    return [{**each, "user_input_schema": [{"name": "amount", "value": value}]} for each in run["tools"]]


async def proceed(client, run, value, *, headers=None, **fields):
    url = f"{RUNS}/{run['run_id']}/continue"
    return await client.post(url, json={"tools": filled(run, value), **fields}, headers=headers)


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("fields", [{"stream": False}, {"stream": True}, {"background": True}])
@pytest.mark.parametrize(("value", "told"), [("three", "valid integer"), (0, "greater than or equal to 1")])
async def test_what_does_not_fit_is_refused_and_the_run_still_waits(db, shop, fields, durable, value, told):
    async with serving(AgentOS(agents=[buying(shop, db, durable=durable)]).get_app()) as client:
        run = await paused(client)
        refused = await proceed(client, run, value, **fields)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
        assert "'amount'" in refused.text
        assert told in refused.text
        stored = (await client.get(f"{RUNS}/{run['run_id']}")).json()
        assert (stored["status"], stored["requirements"]) == ("PAUSED", run["requirements"])
        taken = await proceed(client, run, "4", stream=False)
        assert (taken.status_code, taken.json()["content"]) == (200, "It says: 4 ink")
    assert shop.sold == [(4, "ink")]


@pytest.mark.parametrize("durable", [False, True])
async def test_what_only_the_tool_refuses_is_asked_again(db, shop, durable):
    async with serving(AgentOS(agents=[buying(shop, db, durable=durable)]).get_app()) as client:
        run = await paused(client)
        again = (await proceed(client, run, 3, stream=False)).json()
        assert again["status"] == "PAUSED"
        (question,) = again["tools"][0]["user_input_schema"]
        assert (question["value"], question["error"]) == (None, "Value error, must be even")
        done = (await proceed(client, again, 4, stream=False)).json()
        assert done["content"] == "It says: 4 ink"
        assert "error" not in done["tools"][0]["user_input_schema"][0]
    assert shop.sold == [(4, "ink")]


async def test_nobody_is_asked_to_approve_what_does_not_fit(db, shop):
    app = secured(AgentOS(agents=[buying(shop, db, tool=approval(shop.tool()))]).get_app())
    ann, boss = bearer("ann"), bearer("boss", "agent_os:admin")
    async with serving(app) as client:
        run = await paused(client, headers=ann)
        assert (await proceed(client, run, "three", headers=ann)).status_code == 422
        odd = await proceed(client, run, 3, stream=False, headers=ann)
        assert odd.json()["status"] == "PAUSED"
        assert (await client.get("/approvals", headers=boss)).json()["data"] == []
        asked = await proceed(client, odd.json(), 4, stream=False, headers=ann)
        assert asked.json()["status"] == "PAUSED"
        (wanted,) = (await client.get("/approvals", headers=boss)).json()["data"]
        assert wanted["tool_args"] == {"what": "ink", "amount": 4}
        url = f"/approvals/{wanted['id']}/resolve"
        assert (await client.post(url, json={"status": "approved"}, headers=boss)).status_code == 200
        url = f"{RUNS}/{run['run_id']}/continue"
        done = await client.post(url, json={"stream": True, "tools": []}, headers=ann)
        assert frames(done.text)[-1].event == "RunCompleted", done.text
    assert shop.sold == [(4, "ink")]


@pytest.mark.parametrize("stored", [False, True])
async def test_python_is_told_too(db, shop, stored):
    one = buying(shop, db if stored else None)
    run = await one.arun("go")
    with pytest.raises(InvalidInputError, match="'amount'"):
        run.requirements[0].provide_user_input({"amount": "three"})
    run.requirements[0].user_input_schema[0]["value"] = "three"
    with pytest.raises(InvalidInputError, match="'amount'"):
        await one.acontinue_run(run)
    assert run.is_paused
    run.requirements[0].provide_user_input({"amount": 4})
    assert (await one.acontinue_run(run)).content == "It says: 4 ink"
    assert shop.sold == [(4, "ink")]


async def test_the_models_own_mistakes_are_the_models(shop):
    """Nobody is asked about a call that can't be made."""
    heard = []

    def answer(request):
        heard.extend(message.content for message in request.messages if message.role == "tool")
        return "sorry" if heard else calls_once("order", what=["ink"])(request)

    run = await agent(answer, tools=[shop.tool()]).arun("go")
    assert (run.status, run.content) == ("COMPLETED", "sorry")
    assert "what: Input should be a valid string" in heard[0]
