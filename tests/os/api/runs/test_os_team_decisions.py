"""Decisions about members' calls, at any depth, through the team's own route."""

import json

import pytest

from agentos.os import AgentOS
from agentos.run.owner import ANYONE
from agentos.tools import tool
from tests.os.apps import ADMIN, agent, bearer, calls_once, secured, serving, team

RUNS = "/teams/shop/runs"
paid: list[tuple[str, int]] = []


@pytest.fixture(autouse=True)
def _unpaid():
    paid.clear()


def payer(called, amount):
    @tool(requires_confirmation=True)
    def pay(to: str, amount: int) -> str:
        """Pays."""
        paid.append((to, amount))
        return f"paid {to} {amount}"

    return agent(calls_once("pay", to=called, amount=amount), called=called, tools=[pay])


@pytest.fixture
def app(db):
    """A team of a payer, of a team with another one, and of somebody who asks nobody."""
    below = team(payer("deep", 2), called="below")
    shop = team(payer("near", 1), below, agent("hello", called="greeter"), called="shop")
    return secured(AgentOS(agents=[agent()], teams=[shop], db=db).get_app())


def caller(sub, *more):
    return bearer(sub, "teams:shop:run", "sessions:read", *more)


async def paused(client, headers=None):
    body = {"message": "go", "session_id": "s1", "stream": False}
    run = (await client.post(RUNS, json=body, headers=headers or caller("ann"))).json()
    assert run["status"] == "PAUSED"
    return run, f"{RUNS}/{run['run_id']}/continue"


def decided(requirement, *, confirmed=True, **call):
    """The requirement as clients of the peer send it back."""
    execution = {**requirement["tool_execution"], "confirmed": confirmed, **call}
    return {**requirement, "confirmation": confirmed, "tool_execution": execution}


def waiting(run):
    return [each["member_agent_id"] for each in run.get("requirements", ())]


async def test_requirements_of_all_depths_come_as_one_list(app):
    async with serving(app) as client:
        run, _ = await paused(client)
        assert waiting(run) == ["near", "deep"]
        assert [each["tool_execution"]["tool_args"]["to"] for each in run["requirements"]] == ["near", "deep"]
        listed = (await client.get("/sessions/s1/runs?nested=true", headers=caller("ann"))).json()
        by_id = {each["run_id"]: each for each in listed}
        assert [by_id[each["member_run_id"]]["agent_id"] for each in run["requirements"]] == ["near", "deep"]


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
async def test_some_are_decided_now_and_the_others_later(app, db, form, order):
    async with serving(app) as client:
        ann = caller("ann")
        run, url = await paused(client)
        first, second = (run["requirements"][place] for place in order)
        for number, each in enumerate((first, second)):
            if form:
                sent = {"requirements": json.dumps([decided(each)]), "stream": "false"}
                answer = await client.post(url, data=sent, headers=ann)
            else:
                answer = await client.post(
                    url, json={"requirements": [decided(each)], "stream": False}, headers=ann
                )
            assert answer.status_code == 200, answer.text
            left = [] if number else [second["member_agent_id"]]
            assert (waiting(answer.json()), len(paid)) == (left, number + 1)
        done = answer.json()
        assert done["status"] == "COMPLETED"
        assert done["content"] == "It says: paid near 1, It says: paid deep 2, hello"
        assert len(await db.list_runs("s1", owner=ANYONE, nested=True)) == 5


async def test_a_server_that_starts_between_the_decisions_goes_on(app, db):
    async with serving(app) as client:
        run, url = await paused(client)
        near, deep = run["requirements"]
        body = {"requirements": [decided(near)], "stream": False}
        assert waiting((await client.post(url, json=body, headers=caller("ann"))).json()) == ["deep"]
    async with serving(app) as client:
        body = {
            "requirements": [decided(deep, confirmed=False, confirmation_note="Too much")],
            "stream": False,
        }
        done = (await client.post(url, json=body, headers=caller("ann"))).json()
        assert (done["status"], paid) == ("COMPLETED", [("near", 1)])
        assert "Too much" in done["content"]


@pytest.mark.parametrize("sent", [{}, {"requirements": []}, {"tools": []}, "undecided"])
async def test_continuing_without_a_decision_names_what_is_open(app, sent):
    async with serving(app) as client:
        run, url = await paused(client)
        body = {"requirements": run["requirements"]} if sent == "undecided" else sent
        refused = await client.post(url, json={**body, "stream": False}, headers=caller("ann"))
        assert refused.status_code == 422
        for each in run["requirements"]:
            assert each["id"] in refused.text
        assert refused.text.count("'confirmed'") == 2
        found = await client.get(f"{RUNS}/{run['run_id']}", headers=caller("ann"))
        assert (found.json()["status"], paid) == ("PAUSED", [])


async def test_arguments_come_from_the_database(app):
    async with serving(app) as client:
        run, url = await paused(client)
        tampered = [
            decided(each, tool_args={"to": "mallory", "amount": 1000}, tool_name="other", result="done")
            for each in run["requirements"]
        ]
        body = {"requirements": tampered, "stream": False}
        done = (await client.post(url, json=body, headers=caller("ann"))).json()
        assert (done["status"], paid) == ("COMPLETED", [("near", 1), ("deep", 2)])
        assert "mallory" not in json.dumps(done)


@pytest.mark.parametrize(
    "changed", [{"member_run_id": "nobody"}, {"tool_execution": {"tool_call_id": "x", "confirmed": True}}]
)
async def test_a_decision_about_an_unknown_call_is_refused(app, changed):
    async with serving(app) as client:
        run, url = await paused(client)
        near, deep = run["requirements"]
        body = {"requirements": [decided(near), {**decided(deep), **changed}], "stream": False}
        refused = await client.post(url, json=body, headers=caller("ann"))
        assert (refused.status_code, paid) == (422, []), refused.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (caller("bob"), 404),
        (bearer("ann", "agents:run", "agents:near:run", "teams:below:run"), 403),
        (bearer("ann", "teams:read", "sessions:read"), 403),
        (caller("ann"), 200),
        (bearer("root", ADMIN), 200),
    ],
)
async def test_whoever_may_continue_the_team_decides_for_its_members(app, headers, status):
    async with serving(app) as client:
        run, url = await paused(client)
        body = {"requirements": [decided(each) for each in run["requirements"]], "stream": False}
        answer = await client.post(url, json=body, headers=headers)
        assert (answer.status_code, len(paid)) == (status, 2 if status == 200 else 0)
