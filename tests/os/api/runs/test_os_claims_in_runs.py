"""Claims that runs get: what tokens say goes over what requests send, and reaches the tools."""

import json

import pytest

from agentos.agent import Agent
from agentos.models.base import ModelResponse
from agentos.models.function import FunctionModel
from agentos.os import AgentOS
from agentos.run.runnable import RunContext
from agentos.tools import tool
from tests.agent.models import call
from tests.os.apps import ADMIN, bearer, secured, serving

RUNS = "/agents/web/runs"


def look(context: RunContext) -> str:
    """What the run was given."""
    return json.dumps({"state": context.session_state, "dependencies": context.dependencies})


def looking(request) -> ModelResponse:
    """Calls the tool, and then repeats what it said."""
    last = request.messages[-1]
    if last.role == "tool":
        return ModelResponse(content=last.content)
    return ModelResponse(tool_calls=[call("look")])


@pytest.fixture
async def client(db):
    defaults = {"session_state": {"plan": "free", "theme": "light"}, "dependencies": {"tenant": "nobody's"}}
    agent = Agent(id="web", model=FunctionModel(looking), tools=[look], db=db, **defaults)
    app = secured(
        AgentOS(agents=[agent]).get_app(),
        dependencies_claims=["tenant"],
        session_state_claims=["plan", "limits"],
    )
    async with serving(app) as client:
        yield client


async def seen(client, headers, *, session_id="s1", by_form=False, **sent):
    """What the tool saw in a run."""
    body = {"message": "hi", "stream": False, "session_id": session_id, **sent}
    if by_form:
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
        response = await client.post(RUNS, data=texts, headers=headers)
    else:
        response = await client.post(RUNS, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return json.loads(response.json()["content"])


PRO = {"plan": "pro", "limits": {"runs": 5, "of": [1, 2.5, None, True]}, "tenant": "acme"}
FORGED = {
    "session_state": {"plan": "root", "limits": {"runs": 999}, "theme": "dark"},
    "dependencies": {"tenant": "umbrella", "locale": "de"},
}


@pytest.mark.parametrize("by_form", [False, True])
async def test_tools_see_what_the_token_says_over_what_the_request_sends(client, by_form):
    found = await seen(client, bearer("ann", **PRO), by_form=by_form, **FORGED)
    assert found == {
        "state": {"plan": "pro", "limits": PRO["limits"], "theme": "dark"},
        "dependencies": {"tenant": "acme", "locale": "de"},
    }
    stored = (await client.get("/sessions/s1", headers=bearer("ann"))).json()
    assert stored["session_state"] == found["state"]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("named", [{}, {"dependencies": FORGED["dependencies"]}])
async def test_a_continued_run_goes_by_the_token_that_continues_it(db, background, named):
    agent = Agent(
        id="web",
        model=FunctionModel(looking),
        tools=[tool(requires_confirmation=True)(look)],
        db=db,
    )
    app = secured(
        AgentOS(agents=[agent]).get_app(),
        dependencies_claims=["tenant", "region"],
        session_state_claims=["plan"],
    )
    async with serving(app) as client:
        body = {"message": "hi", "stream": False, "session_id": "s1", "dependencies": {"locale": "en"}}
        first = bearer("ann", tenant="acme", region="eu", plan="basic")
        run = (await client.post(RUNS, json=body, headers=first)).json()
        tools = [{**each, "confirmed": True} for each in run["tools"]]
        url, second = f"{RUNS}/{run['run_id']}", bearer("ann", tenant="umbrella", plan="pro")
        answer = {"tools": tools, "stream": False, "background": background, **named}
        assert (await client.post(f"{url}/continue", json=answer, headers=second)).is_success
        await client.get(f"{url}/events", headers=second)
        given = (await client.get(url, headers=second)).json()["content"]
        locale = named.get("dependencies", body["dependencies"])["locale"]
        assert json.loads(given) == {
            "state": {"plan": "pro"},
            "dependencies": {"tenant": "umbrella", "locale": locale},
        }
        session = (await client.get("/sessions/s1", headers=second)).json()
        assert session["session_state"] == {"plan": "pro"}


@pytest.mark.parametrize("claims", [{}, {"plan": None, "limits": None, "tenant": None}])
@pytest.mark.parametrize("scopes", [(), (ADMIN,)])
async def test_what_the_token_leaves_out_nobody_else_can_say(client, claims, scopes):
    found = await seen(client, bearer("ann", *scopes, **claims), **FORGED)
    assert found == {
        "state": {"plan": "free", "theme": "dark"},
        "dependencies": {"tenant": "nobody's", "locale": "de"},
    }


async def test_each_run_goes_by_its_own_token(client):
    assert (await seen(client, bearer("ann", plan="pro")))["state"]["plan"] == "pro"
    assert (await seen(client, bearer("ann", plan="basic")))["state"]["plan"] == "basic"
    assert (await seen(client, bearer("bob", plan="max"), session_id="s2"))["state"]["plan"] == "max"
    assert (await seen(client, bearer("ann", plan="basic"), dependencies={}))["dependencies"] == {
        "tenant": "nobody's"
    }


async def test_a_session_cant_be_made_or_changed_to_say_it(client):
    forged = {"session_state": FORGED["session_state"]}
    made = await client.post("/sessions", json={"session_id": "s1", **forged}, headers=bearer("ann"))
    assert made.json()["session_state"] == {"theme": "dark"}
    assert (await seen(client, bearer("ann")))["state"] == {"plan": "free", "theme": "dark"}
    patched = await client.patch("/sessions/s1", json=forged, headers=bearer("ann", plan="pro"))
    assert patched.json()["session_state"] == {"plan": "pro", "theme": "dark"}
    renamed = await client.patch("/sessions/s1", json={"session_name": "Mine"}, headers=bearer("ann"))
    assert renamed.json()["session_state"] == {"plan": "pro", "theme": "dark"}


async def test_a_claim_that_a_row_cant_hold_is_mended_not_a_crash(client):
    odd = {"text": "nul \x00 and half \ud83d", "number": float("inf"), "key\x00": 1}
    found = await seen(client, bearer("ann", limits=odd, tenant=odd))
    assert set(found) == {"state", "dependencies"}
    assert (await client.get("/sessions/s1", headers=bearer("ann"))).status_code == 200


async def test_without_named_claims_requests_say_what_they_like(db):
    agent = Agent(id="web", model=FunctionModel(looking), tools=[look], db=db)
    async with serving(secured(AgentOS(agents=[agent]).get_app())) as client:
        found = await seen(client, bearer("ann", **PRO), **FORGED)
    assert found == {"state": FORGED["session_state"], "dependencies": FORGED["dependencies"]}


async def told(db, headers, before=None, **sent):
    """What the instructions read under each name, which the agent repeats."""
    agent = Agent(
        id="web",
        model=FunctionModel(lambda request: request.messages[0].content),
        system_message="{tenant} {plan} {user_id} {session_id} {theme}",
        db=db,
        **(before or {}),
    )
    app = secured(
        AgentOS(agents=[agent]).get_app(), dependencies_claims=["tenant"], session_state_claims=["plan"]
    )
    async with serving(app) as client:
        if callable(headers):
            headers = await headers(client)
        body = {"message": "hi", "stream": False, "session_id": "s1", **sent}
        response = await client.post(RUNS, json=body, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()["content"]


FORGERY = {"tenant": "victim", "plan": "root", "user_id": "admin", "session_id": "theirs", "theme": "dark"}


@pytest.mark.parametrize("where", ["session_state", "dependencies", "metadata"])
async def test_instructions_read_what_the_token_says_wherever_a_request_says_otherwise(db, where):
    found = await told(db, bearer("ann", tenant="acme", plan="pro"), **{where: FORGERY})
    assert found == "acme pro ann s1 dark"


@pytest.mark.parametrize("where", ["session_state", "dependencies", "metadata"])
async def test_instructions_read_nothing_where_the_token_says_nothing(db, where):
    assert await told(db, bearer("ann"), **{where: FORGERY}) == "{tenant} {plan} ann s1 dark"


async def test_a_state_from_elsewhere_doesnt_say_what_the_token_says(db):
    state = {"session_state": {"tenant": "victim", "theme": "dark"}}
    assert await told(db, bearer("ann", tenant="acme", plan="pro"), before=state) == "acme pro ann s1 dark"


@pytest.mark.parametrize("where", ["session_state", "dependencies", "metadata"])
async def test_a_service_account_cant_say_what_only_claims_say(db, where):
    async def account(client):
        body = {"name": "ci", "scopes": ["agents:run"]}
        made = await client.post("/service-accounts", json=body, headers=bearer("root", ADMIN))
        assert made.status_code == 201, made.text
        return {"Authorization": f"Bearer {made.json()['token']}"}

    found = await told(db, account, **{where: FORGERY})
    assert found == "{tenant} {plan} sa:ci s1 dark"
