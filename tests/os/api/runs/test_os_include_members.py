"""`include=members`: a run with all that is nested in it."""

import pytest

from agentos.os import AgentOS
from agentos.run.owner import ANYONE
from agentos.tools import tool
from tests.os.apps import ADMIN, agent, bearer, calls_once, secured, serving, team

RUNS = "/teams/desk/runs"
MEMBERS = {"include": "members"}


@tool(requires_confirmation=True)
def pay(amount: int) -> str:
    """Pays."""
    return f"paid {amount}"


def many(count):
    """A team that asks its member this often."""
    member = agent("here", called="member")

    async def play(context):
        for number in range(count):
            await context.child(member, "go", name=f"m{number}")
        context.run.content = "all here"
        return
        yield

    crowd = team(called="crowd")
    crowd.play = play
    return crowd


@pytest.fixture
def app(db):
    inner = team(agent("from deep", called="deep"), called="inner")
    cashier = team(
        agent("hello", called="greeter"),
        agent(calls_once("pay", amount=5), called="payer", tools=[pay]),
        called="cashier",
    )
    teams = [team(inner, agent("from right", called="right")), inner, cashier, many(258)]
    return secured(AgentOS(agents=[agent()], teams=teams, db=db).get_app())


def caller(sub):
    return bearer(sub, "teams:read", "teams:run", "agents:run", "sessions:read")


async def asked(client, url=RUNS, headers=None, params=MEMBERS, **fields):
    body = {"message": "go", "session_id": "s1", "stream": False, **fields}
    return await client.post(url, params=params, json=body, headers=headers or caller("ann"))


def ids(run):
    """The tree of a run: who ran, and what each of them had run."""
    name = run.get("team_id") or run.get("agent_id")
    return {name: [ids(each) for each in run["member_responses"]]}


TREE = {"desk": [{"inner": [{"deep": []}]}, {"right": []}]}


async def test_members_are_whole_runs_with_their_own(app, db):
    async with serving(app) as client:
        run = (await asked(client)).json()
        assert ids(run) == TREE
        assert (
            run == (await client.get(f"{RUNS}/{run['run_id']}", params=MEMBERS, headers=caller("ann"))).json()
        )
        right = run["member_responses"][1]
        assert (right["content"], right["status"], right["parent_run_id"]) == (
            "from right",
            "COMPLETED",
            run["run_id"],
        )
        assert [message["role"] for message in right["messages"]] == ["user", "assistant"]
        assert right["metrics"]
        assert "session_state" not in right
        assert "members_left_out" not in run


async def test_they_are_included_only_if_asked_for(app):
    async with serving(app) as client:
        ann = caller("ann")
        for url in (RUNS, "/agents/web/runs"):
            run = (await asked(client, url, params=None)).json()
            assert "member_responses" not in run
            assert "member_responses" not in (await client.get(f"{url}/{run['run_id']}", headers=ann)).text
        listed = await client.get(f"{RUNS}?session_id=s1&nested=true&include=members", headers=ann)
        assert "member_responses" not in listed.text
        assert "member_responses" not in (await asked(client, params=None, stream=True)).text


async def test_an_agent_has_none(app):
    async with serving(app) as client:
        assert (await asked(client, "/agents/web/runs")).json()["member_responses"] == []


async def test_a_nested_run_has_its_own(app):
    async with serving(app) as client:
        run = (await asked(client)).json()
        inner = run["member_responses"][0]
        url = f"/teams/inner/runs/{inner['run_id']}"
        assert (await client.get(url, params=MEMBERS, headers=caller("ann"))).json() == inner


async def test_a_continued_run_has_those_of_all_segments(app):
    async with serving(app) as client:
        ann, url = caller("ann"), "/teams/cashier/runs"
        paused = (await asked(client, url)).json()
        assert ids(paused) == {"cashier": [{"greeter": []}, {"payer": []}]}
        assert [each["status"] for each in paused["member_responses"]] == ["COMPLETED", "PAUSED"]
        (wanted,) = paused["requirements"]
        wanted["tool_execution"]["confirmed"] = True
        body = {"requirements": [wanted], "stream": False}
        url = f"{url}/{paused['run_id']}/continue"
        done = (await client.post(url, params=MEMBERS, json=body, headers=ann)).json()
        assert [each["content"] for each in done["member_responses"]] == ["hello", "It says: paid 5"]


@pytest.mark.parametrize(
    "how", [{"stream": True}, {"background": True}, {"stream": True, "background": True}]
)
async def test_a_response_that_couldnt_have_them_is_refused_before_anything_begins(app, db, how):
    async with serving(app) as client:
        paused = (await asked(client, "/teams/cashier/runs", session_id="s2")).json()
        urls = RUNS, f"/teams/cashier/runs/{paused['run_id']}/continue"
        for url in urls:
            refused = await asked(client, url, regenerate=True, **how)
            assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["query", "include"])
        assert await db.list_runs("s1", owner=ANYONE) == []
        assert len(await db.list_runs("s2", owner=ANYONE)) == 1
        assert (await asked(client, params=None, **how)).status_code in {200, 202}


async def test_without_a_database_they_are_kept_nowhere():
    async with serving(AgentOS(teams=[team(agent(called="member"))]).get_app()) as client:
        refused = await asked(client)
        assert (refused.status_code, refused.json()["code"]) == (400, "no_database")
        assert (await asked(client, params=None)).status_code == 200
        assert (await asked(client, params={"include": "everything"})).status_code == 422


async def test_too_many_are_counted(app):
    async with serving(app) as client:
        run = (await asked(client, "/teams/crowd/runs")).json()
        assert (len(run["member_responses"]), run["members_left_out"]) == (256, 2)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (caller("ann"), 200),
        (bearer("ann", "teams:desk:run"), 200),
        (bearer("root", ADMIN), 200),
        (caller("bob"), 404),
        (bearer("ann", "teams:inner:run", "agents:right:run", "agents:deep:read"), 403),
        (bearer("ann", "agents:run", "agents:read", "sessions:read"), 403),
    ],
)
async def test_whoever_may_read_the_root_may_read_its_members(app, headers, status):
    async with serving(app) as client:
        run = (await asked(client)).json()
        found = await client.get(f"{RUNS}/{run['run_id']}", params=MEMBERS, headers=headers)
        assert found.status_code == status
        assert (found.json() == run) == (status == 200)
        assert ("from deep" in found.text) == (status == 200)
