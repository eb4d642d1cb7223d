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
    return secured(AgentOS(agents=[agent(), ann], teams=[team(ann, bob)], db=db).get_app())


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


READING = ["{run}", "{run}/events", "{run}/checkpoints", "{run}/checkpoints/1"]
CHANGING = ["{run}/resume", "{run}/cancel", "{run}/continue"]


@pytest.mark.parametrize(
    ("headers", "reads", "changes"),
    [
        (bearer("ann", "agents:left:run", "teams:desk:run"), 200, 409),
        (bearer("root", ADMIN), 200, 409),
        (bearer("ann", "agents:left:run", "agents:left:read"), 404, 404),
        (bearer("ann", "agents:run", "teams:other:run", "teams:read"), 404, 404),
        (bearer("bob", "agents:run", "teams:run"), 404, 404),
        (bearer("ann", "agents:other:run", "teams:run"), 403, 403),
    ],
)
async def test_a_members_run_is_reached_by_whoever_may_read_the_teams(app, headers, reads, changes):
    async with serving(app) as client:
        await asked(client, caller("ann"), stream=True)
        listed = await client.get(f"{RUNS}?session_id=s1&nested=true", headers=caller("ann"))
        assert [each.get("agent_id") for each in listed.json()] == [None, "left", "right"]
        run = f"/agents/left/runs/{listed.json()[1]['run_id']}"
        for path in READING:
            answer = await client.get(path.format(run=run), headers=headers)
            assert answer.status_code == reads, (path, answer.text)
            assert reads == 200 or "from left" not in answer.text
        for path in CHANGING:
            answer = await client.post(path.format(run=run), json={"regenerate": True}, headers=headers)
            assert answer.status_code == (reads if "resume" in path else changes), (path, answer.text)


async def test_members_runs_are_listed_with_their_roots_only(app):
    async with serving(app) as client:
        ann = caller("ann", "agents:read", "agents:run")
        await asked(client, ann)
        for url, found in [
            (f"{RUNS}?session_id=s1", ["desk"]),
            (f"{RUNS}?session_id=s1&nested=true", ["desk", "left", "right"]),
            ("/sessions/s1/runs", ["desk"]),
            ("/sessions/s1/runs?nested=true", ["desk", "left", "right"]),
        ]:
            listed = (await client.get(url, headers=ann)).json()
            assert [each.get("team_id") or each["agent_id"] for each in listed] == found, url
        theirs = await client.get("/agents/left/runs?session_id=s1&nested=true", headers=ann)
        assert theirs.status_code == 404  # the agent itself takes no part in the session
