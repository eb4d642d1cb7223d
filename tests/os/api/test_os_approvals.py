"""Calls that somebody else must agree to: who sees them, who decides, what becomes of the run."""

import pytest

from agentos.os import AgentOS
from agentos.tools import approval, tool
from tests.os.apps import ADMIN, agent, bearer, calls_once, secured, serving

RUNS = "/agents/web/runs"
KEY = "0123456789abcdef"
ANN, BOB, ROOT = bearer("ann"), bearer("bob"), bearer("root", ADMIN)


class Till:
    def __init__(self):
        self.paid = []

    def tool(self, **options):
        @approval(**options)
        @tool(requires_confirmation=options.get("type") == "audit")
        def pay(to: str) -> str:
            """Pays."""
            self.paid.append(to)
            return f"paid {to}"

        return pay


@pytest.fixture
def till():
    return Till()


def served(db, till, **options):
    return AgentOS(agents=[agent(calls_once("pay", to="bo"), db=db, tools=[till.tool(**options)])]).get_app()


@pytest.fixture
async def client(db, till):
    async with serving(secured(served(db, till))) as client:
        yield client


async def asked(client, headers=ANN, **fields):
    """A run that waits for an approval, and the approval."""
    body = {"message": "go", "stream": False, **fields}
    run = (await client.post(RUNS, json=body, headers=headers)).json()
    assert run["status"] == "PAUSED", run
    listed = (await client.get(f"/approvals?run_id={run['run_id']}", headers=headers)).json()
    (found,) = listed["data"]
    return run, found


async def proceed(client, run, headers=ANN, **tool):
    tools = [{**each, **tool} for each in run["tools"]]
    url = f"{RUNS}/{run['run_id']}/continue"
    return await client.post(url, json={"tools": tools, "stream": False}, headers=headers)


async def resolve(client, found, headers=ROOT, status="approved", **fields):
    url = f"/approvals/{found['id']}/resolve"
    return await client.post(url, json={"status": status, **fields}, headers=headers)


async def test_a_run_goes_on_once_somebody_else_has_agreed(client, till):
    run, found = await asked(client)
    pending = await proceed(client, run, confirmed=True)
    assert (pending.status_code, pending.json()["code"]) == (403, "approval_pending")
    assert "This run requires admin approval before it can be continued" in pending.json()["detail"]
    assert "www-authenticate" not in pending.headers
    assert till.paid == []
    resolved = await resolve(client, found, resolved_by="ann", resolution_data={"why": "small"})
    assert resolved.status_code == 200
    shown = resolved.json()
    assert (shown["status"], shown["resolved_by"], shown["resolution_data"]) == (
        "approved",
        "root",
        {"why": "small"},
    )
    done = (await proceed(client, run)).json()
    assert (done["content"], till.paid) == ("It says: paid bo", ["bo"])


async def test_a_rejected_call_never_runs_whatever_the_client_says(client, till):
    run, found = await asked(client)
    assert (await resolve(client, found, status="rejected")).json()["status"] == "rejected"
    done = (await proceed(client, run, confirmed=True)).json()
    assert (done["status"], till.paid) == ("COMPLETED", [])


async def test_an_approval_is_shown_as_the_contract_says(client):
    run, found = await asked(client)
    assert (found["source_type"], found["agent_id"]) == ("agent", "web")
    assert (found["status"], found["approval_type"], found["pause_type"]) == (
        "pending",
        "required",
        "confirmation",
    )
    assert (found["tool_name"], found["tool_args"], found["user_id"]) == ("pay", {"to": "bo"}, "ann")
    assert (found["run_id"], found["session_id"], found["run_status"]) == (
        run["run_id"],
        run["session_id"],
        "PAUSED",
    )
    assert found["resolved_by"] is None
    assert (await client.get(f"/approvals/{found['id']}", headers=ANN)).json() == found
    status = (await client.get(f"/approvals/{found['id']}/status", headers=ANN)).json()
    assert status == {
        "approval_id": found["id"],
        "status": "pending",
        "run_id": run["run_id"],
        "resolved_at": None,
        "resolved_by": None,
    }


async def test_a_requester_sees_their_own_and_admins_all(client):
    _, anns = await asked(client)
    _, bobs = await asked(client, BOB)

    async def seen(headers, query=""):
        listed = (await client.get(f"/approvals{query}", headers=headers)).json()
        count = (await client.get(f"/approvals/count{query}", headers=headers)).json()["count"]
        assert (len(listed["data"]), listed["meta"]["total_count"]) == (count, count)
        return {each["id"] for each in listed["data"]}

    assert await seen(ANN) == await seen(ANN, "?user_id=bob") == {anns["id"]}
    assert await seen(BOB) == {bobs["id"]}
    assert await seen(ROOT) == {anns["id"], bobs["id"]}
    assert await seen(ROOT, "?user_id=bob") == {bobs["id"]}
    assert await seen(bearer("cy")) == set()
    assert await seen(bearer("ann", session_id="s9")) == set()
    assert await seen(bearer("ann", session_id=anns["session_id"])) == {anns["id"]}


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/status"), ("DELETE", "")])
async def test_anothers_approval_isnt_there(client, method, path):
    _, found = await asked(client)
    url = f"/approvals/{found['id']}{path}"
    for caller in (BOB, bearer("ann", session_id="s9")):
        refused = await client.request(method, f"{url}?user_id=ann", headers=caller)
        absent = await client.request(method, f"/approvals/absent{path}", headers=caller)
        assert (refused.status_code, absent.status_code) == (404, 404)
        assert refused.text.replace(found["id"], "absent") == absent.text
    assert (await client.request(method, url, headers=bearer("ann", "agents:run"))).status_code == 403
    assert (await client.get(f"/approvals/{found['id']}", headers=ROOT)).status_code == 200
    assert (await client.request(method, url, headers=ROOT)).status_code in {200, 204}


async def test_an_approval_is_deleted_once(client):
    run, found = await asked(client)
    url = f"/approvals/{found['id']}"
    answers = [(await client.delete(url, headers=ANN)).status_code for _ in range(2)]
    assert answers == [204, 404]
    assert (await proceed(client, run, confirmed=True)).status_code == 422


async def test_nobody_approves_what_they_have_asked_for(client, till):
    run, found = await asked(client)
    own = await resolve(client, found, ANN)
    assert (own.status_code, own.json()["code"]) == (403, "own_approval")
    admins_own, admins = await asked(client, bearer("root", ADMIN))
    refused = await resolve(client, admins)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_approval")
    assert (await resolve(client, found, BOB)).status_code == 404
    assert (await proceed(client, run, confirmed=True)).status_code == 403
    assert till.paid == []
    other = bearer("superior", ADMIN)
    for each, approval_ in ((run, found), (admins_own, admins)):
        assert (await resolve(client, approval_, other)).status_code == 200
        assert (await proceed(client, each, other)).json()["status"] == "COMPLETED"
    assert till.paid == ["bo", "bo"]


async def test_a_requester_may_take_it_back(client, till):
    run, found = await asked(client)
    assert (await resolve(client, found, ANN, status="rejected")).json()["resolved_by"] == "ann"
    assert (await proceed(client, run, confirmed=True)).json()["status"] == "COMPLETED"
    assert till.paid == []


async def test_a_decision_is_final(client):
    _, found = await asked(client)
    assert (await resolve(client, found)).status_code == 200
    for status in ("approved", "rejected"):
        again = await resolve(client, found, status=status)
        assert again.status_code == 409
        assert again.json()["detail"] == "Approval is already 'approved' and cannot be resolved"


async def test_an_approval_expires(db, till):
    async with serving(secured(served(db, till, expires_in=0.001))) as client:
        run, found = await asked(client)
        while found["status"] == "pending":
            found = (await client.get(f"/approvals/{found['id']}", headers=ANN)).json()
        assert found["status"] == "expired"
        assert (await resolve(client, found)).status_code == 409
        done = await proceed(client, run, confirmed=True)
        assert (done.json()["status"], till.paid) == ("COMPLETED", [])


@pytest.mark.parametrize("body", [{}, {"status": "pending"}, {"status": "approved", "resolution_data": "x"}])
async def test_a_decision_that_is_none_is_refused(client, body):
    _, found = await asked(client)
    url = f"/approvals/{found['id']}/resolve"
    assert (await client.post(url, json=body, headers=ROOT)).status_code == 422
    assert (await client.get(f"/approvals/{found['id']}", headers=ROOT)).json()["status"] == "pending"


FILTERS = {
    "status=pending": 1,
    "status=approved": 0,
    "source_type=agent": 1,
    "source_type=team": 0,
    "approval_type=required": 1,
    "approval_type=audit": 0,
    "pause_type=confirmation": 1,
    "pause_type=user_input": 0,
    "agent_id=web": 1,
    "agent_id=other": 0,
    "agent_id=web&source_type=agent": 1,
    "agent_id=web&source_type=team": 0,
    "agent_id=web&team_id=web": 0,
    "workflow_id=web": 0,
    "run_id=other": 0,
    "page=2": 0,
}


async def test_approvals_are_listed_by_what_they_are(client):
    await asked(client)
    for query, count in FILTERS.items():
        listed = (await client.get(f"/approvals?{query}", headers=ANN)).json()
        assert len(listed["data"]) == count, query
        assert listed["meta"]["limit"] == 100
    for query in ("status=open", "pause_type=x", "approval_type=x", "source_type=x", "limit=0", "page=0"):
        assert (await client.get(f"/approvals?{query}", headers=ANN)).status_code == 422


async def test_without_authentication_everybody_may_decide(db, till):
    async with serving(served(db, till)) as client:
        run, found = await asked(client, None, user_id="ann")
        assert (await proceed(client, run, None, confirmed=True)).status_code == 403
        resolved = await resolve(client, found, None, resolved_by="ann")
        assert resolved.json()["resolved_by"] is None
        assert (await proceed(client, run, None)).json()["status"] == "COMPLETED"
        assert till.paid == ["bo"]


async def test_without_isolation_the_requester_still_cant_approve(db, till):
    app = secured(served(db, till), user_isolation=False)
    async with serving(app) as client:
        run, found = await asked(client)
        assert (await resolve(client, found, ANN)).json()["code"] == "own_approval"
        assert (await resolve(client, found, bearer(None))).json()["code"] == "no_identity"
        assert (await resolve(client, found, BOB)).status_code == 200
        assert (await proceed(client, run)).json()["status"] == "COMPLETED"


async def test_nobody_without_an_identity_approves(client, till):
    nameless = bearer(None, ADMIN)
    _, anns = await asked(client)
    _, named = await asked(client, nameless, user_id="bob")
    _, nobodys = await asked(client, nameless)
    for found in (anns, named, nobodys):
        refused = await resolve(client, found, nameless, resolved_by="carol")
        assert (refused.status_code, refused.json()["code"]) == (403, "no_identity")
        assert "service account" in refused.json()["detail"]
    rejected = (await resolve(client, anns, nameless, status="rejected", resolved_by="carol")).json()
    assert (rejected["status"], rejected["resolved_by"]) == ("rejected", None)
    assert (await client.delete(f"/approvals/{anns['id']}", headers=nameless)).status_code == 403
    for found in (named, nobodys):
        assert (await resolve(client, found, resolved_by="carol")).json()["resolved_by"] == "root"
    assert (await client.delete(f"/approvals/{anns['id']}", headers=ROOT)).status_code == 204


async def test_the_holder_of_the_security_key_needs_somebody_else(db, till):
    key = {"Authorization": f"Bearer {KEY}"}
    agents = [agent(calls_once("pay", to="bo"), db=db, tools=[till.tool()])]
    async with serving(AgentOS(agents=agents, db=db, security_key=KEY).get_app()) as client:
        _, found = await asked(client, key, user_id="ann")
        refused = await resolve(client, found, key, resolved_by="root")
        assert (refused.status_code, refused.json()["code"]) == (403, "no_identity")
        body = {"name": "approver", "scopes": [ADMIN]}
        account = (await client.post("/service-accounts", json=body, headers=key)).json()
        approver = {"Authorization": f"Bearer {account['token']}"}
        assert (await resolve(client, found, approver)).json()["resolved_by"] == "sa:approver"


async def test_a_service_account_and_who_made_it_count_as_one(client, till):
    async def made(name, creator):
        body = {"name": name, "scopes": [ADMIN]}
        account = await client.post("/service-accounts", json=body, headers=creator)
        return {"Authorization": f"Bearer {account.json()['token']}"}

    first = await made("first", ROOT)
    second = await made("second", first)
    foreign = await made("foreign", bearer("superior", ADMIN))
    for asking, approving in ((ROOT, first), (ROOT, second), (second, ROOT), (first, second)):
        _, found = await asked(client, asking)
        refused = await resolve(client, found, approving)
        assert (refused.status_code, refused.json()["code"]) == (403, "own_approval")
        assert (await resolve(client, found, foreign)).status_code == 200
    _, anns = await asked(client)
    assert (await resolve(client, anns, second)).json()["resolved_by"] == "sa:second"


async def test_a_recorded_decision_names_who_continued_the_run(db, till):
    async with serving(secured(served(db, till, type="audit"))) as client:
        decisions = []
        for caller, fields in (
            (ANN, {}),
            (ROOT, {"user_id": "ann"}),
            (bearer(None, ADMIN), {"user_id": "ann"}),
        ):
            run = (await client.post(RUNS, json={"message": "go", "stream": False}, headers=ANN)).json()
            tools = [{**each, "confirmed": True} for each in run["tools"]]
            body = {"tools": tools, "stream": False, **fields}
            url = f"{RUNS}/{run['run_id']}/continue"
            assert (await client.post(url, json=body, headers=caller)).json()["status"] == "COMPLETED"
            (found,) = (await client.get(f"/approvals?run_id={run['run_id']}", headers=ANN)).json()["data"]
            decisions.append((found["status"], found["resolved_by"]))
        assert decisions == [("approved", "ann"), ("approved", "root"), ("approved", None)]


async def test_approvals_need_a_database():
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        for path in ("", "/count", "/x", "/x/status"):
            away = await client.get(f"/approvals{path}")
            assert (away.status_code, "db=" in away.json()["detail"]) == (503, True)


async def test_decisions_are_audited(client):
    _, found = await asked(client)
    await resolve(client, found, ANN)
    await resolve(client, found)
    rows = []
    while len(rows) < 2:
        query = "/audit?route=/approvals/{approval_id}/resolve"
        rows = (await client.get(query, headers=ROOT)).json()["data"]
    assert [(row["decision"], row["reason"], row["principal"]) for row in rows] == [
        ("allowed", "admin", "root"),
        ("denied", "own_approval", "ann"),
    ]
