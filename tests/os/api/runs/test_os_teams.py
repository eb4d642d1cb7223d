"""Teams over HTTP, and how their members' runs are seen."""

import pytest

from agentos.os import AgentOS
from tests.os.apps import ADMIN, agent, bearer, frames, secured, serving, team

RUNS = "/teams/desk/runs"


def caller(sub, *more):
    return bearer(sub, "teams:read", "teams:run", "sessions:read", *more)


@pytest.fixture
def app(db):
    ann, bob = agent("from left", called="left"), agent("from right", called="right")
    return secured(AgentOS(agents=[agent()], teams=[team(ann, bob)], db=db).get_app())


async def asked(client, headers, **fields):
    body = {"message": "go", "session_id": "s1", "stream": False, **fields}
    answer = await client.post(RUNS, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_team_is_run_streamed_and_read_under_its_own_names(app):
    async with serving(app) as client:
        ann = caller("ann")
        run = (await asked(client, ann)).json()
        assert (run["team_id"], run["team_name"], run["status"]) == ("desk", "Desk", "COMPLETED")
        assert run["content"] == "from left, from right"
        assert (await client.get(f"{RUNS}/{run['run_id']}", headers=ann)).json() == run
        names = [frame.event for frame in frames((await asked(client, ann, stream=True)).text)]
        assert (names[0], names[-1]) == ("TeamRunContent", "TeamRunCompleted")
        assert names.count("RunCompleted") == 2


async def test_sessions_of_teams_are_told_apart(app):
    async with serving(app) as client:
        ann = caller("ann", "agents:run")
        await asked(client, ann)
        hello = {"message": "hi", "session_id": "s2", "stream": False}
        assert (await client.post("/agents/web/runs", json=hello, headers=ann)).status_code == 200
        for kind, found in ("team", [("s1", "desk")]), ("agent", [("s2", None)]), ("workflow", []):
            listed = (await client.get(f"/sessions?type={kind}", headers=ann)).json()["data"]
            assert [(each["session_id"], each.get("team_id")) for each in listed] == found
        assert (await client.get("/sessions/s1?type=team", headers=ann)).status_code == 200
        assert (await client.get("/sessions/s1?type=agent", headers=ann)).status_code == 404
        assert (await client.get("/sessions?type=team", headers=caller("bob"))).json()["data"] == []
        everyones = await client.get("/sessions?type=team", headers=bearer("root", ADMIN))
        assert [each["session_id"] for each in everyones.json()["data"]] == ["s1"]
