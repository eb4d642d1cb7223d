"""Service accounts over HTTP: who may make them, what their tokens may do, and how they end."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agentos.errors import ConflictError
from agentos.os import AgentOS
from agentos.os.tokens import service_accounts
from tests.conftest import administering
from tests.os.apps import ADMIN, agent, bearer, secured, serving

MAKER = ("service_accounts:write", "service_accounts:read", "service_accounts:delete", "agents:run")


@pytest.fixture
async def caller(db):
    async with serving(secured(AgentOS(agents=[agent(), agent(called="other")], db=db).get_app())) as caller:
        yield caller


def token(account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account['token']}"}


async def made(caller, *scopes: str, name: str = "ci", **body):
    answer = await caller.post(
        "/service-accounts",
        json={"name": name, "scopes": list(scopes), **body},
        headers=bearer("root", ADMIN),
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_account_calls_with_its_own_scopes_and_no_others(caller):
    account = await made(caller, "agents:web:run", "agents:read")
    form = {"message": "hi", "stream": "false"}
    ran = await caller.post("/agents/web/runs", data=form, headers=token(account))
    assert (ran.status_code, ran.json()["user_id"]) == (200, "sa:ci")
    for refused in (
        await caller.post("/agents/other/runs", data=form, headers=token(account)),
        await caller.get("/sessions", headers=token(account)),
        await caller.get("/service-accounts", headers=token(account)),
    ):
        assert refused.status_code == 403


async def test_its_rows_are_its_own(caller):
    one = await made(caller, "sessions:read", "sessions:write", name="one")
    two = await made(caller, "sessions:read", "sessions:write", name="two")
    session = (await caller.post("/sessions", json={"user_id": "alice"}, headers=token(one))).json()
    path = f"/sessions/{session['session_id']}"
    assert session["user_id"] == "sa:one"
    assert (await caller.get(path, headers=token(one))).status_code == 200
    assert (await caller.get(path, headers=token(two))).status_code == 404
    assert (await caller.get(path, headers=bearer("alice"))).status_code == 404
    assert (await caller.get(path, headers=bearer("root", ADMIN))).status_code == 200


async def test_the_answer_has_the_contracts_shape_and_the_token_once(caller):
    before = datetime.now(UTC)
    account = await made(caller, "agents:web:run", "config:read")
    assert account["token"].startswith("agentos_sa_")
    assert len(account["token"]) == len("agentos_sa_") + 43
    assert account["token"].startswith(account["token_prefix"])
    assert (account["principal"], account["user_id"], account["created_by"]) == ("sa:ci", "sa:ci", "root")
    assert account["scopes"][0] == {
        "id": None,
        "raw": "agents:web:run",
        "namespace": "agents",
        "sub_namespace": "web",
        "permission": "run",
        "value": "allow",
    }
    lifetime = datetime.fromtimestamp(account["expires_at"], UTC) - before
    assert timedelta(days=89, hours=23) < lifetime < timedelta(days=90, hours=1)
    listed = (await caller.get("/service-accounts", headers=bearer("root", ADMIN))).json()
    del account["token"]
    assert listed["data"] == [account]
    assert listed["meta"]["total_count"] == 1


async def test_scopes_may_be_objects_as_the_contract_has_them(caller):
    account = await made(caller, {"scope": "config:read", "effect": "allow"})
    assert (await caller.get("/config", headers=token(account))).status_code == 200
    refused = await caller.post(
        "/service-accounts",
        json={"name": "no", "scopes": [{"scope": "config:read", "effect": "deny"}]},
        headers=bearer("root", ADMIN),
    )
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (["agents:run"], []),
        (["agents:web:run", "agents:*:run"], []),
        (["agents:run", "sessions:read"], ["sessions:read"]),
        (["agents:web:read"], ["agents:web:read"]),
        (["sessions:web:read"], ["sessions:web:read"]),
        ([ADMIN], [ADMIN]),
    ],
)
async def test_nobody_grants_what_they_dont_hold(caller, asked, missing):
    answer = await caller.post(
        "/service-accounts", json={"name": "ci", "scopes": asked}, headers=bearer("alice", *MAKER)
    )
    assert answer.status_code == (403 if missing else 201)
    if missing:
        assert (answer.json()["code"], answer.json()["missing"]) == ("missing_scope", missing)
        assert missing[0] in answer.json()["detail"]


async def test_what_the_operators_map_says_is_granted_word_for_word(db):
    app = secured(
        AgentOS(agents=[agent()], db=db).get_app(), scope_mappings={"GET /config": ["agents:web:run"]}
    )
    async with serving(app) as caller:
        body = {"name": "ci", "scopes": ["agents:web:run"]}
        refused = await caller.post("/service-accounts", json=body, headers=bearer("alice", *MAKER))
        allowed = await caller.post(
            "/service-accounts", json=body, headers=bearer("alice", *MAKER, "agents:web:run")
        )
    assert (refused.status_code, allowed.status_code) == (403, 201)


@pytest.mark.parametrize("scope", ["service_accounts:write", "service_accounts:delete"])
async def test_each_verb_wants_its_scope(caller, scope):
    holder = bearer("alice", scope, "agents:run")
    made_ = await caller.post(
        "/service-accounts", json={"name": "ci", "scopes": ["agents:run"]}, headers=holder
    )
    ended = await caller.delete("/service-accounts/none", headers=holder)
    assert made_.status_code == (201 if scope.endswith("write") else 403)
    assert ended.status_code == (404 if scope.endswith("delete") else 403)
    assert (await caller.get("/service-accounts", headers=holder)).status_code == 403


async def test_a_revoked_account_is_refused_at_once(caller):
    account = await made(caller, "config:read")
    path, admin = f"/service-accounts/{account['id']}", bearer("root", ADMIN)
    assert (await caller.get("/config", headers=token(account))).status_code == 200
    taken = await caller.post("/service-accounts", json={"name": "ci"}, headers=admin)
    assert taken.status_code == 409
    assert (await caller.delete(path, headers=admin)).status_code == 204
    refused = await caller.get("/config", headers=token(account))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    first = (await caller.get("/service-accounts", headers=admin)).json()["data"]
    assert (await caller.delete(path, headers=admin)).status_code == 204
    assert (await caller.get("/service-accounts", headers=admin)).json()["data"][0]["revoked_at"] == first[0][
        "revoked_at"
    ]
    live = await caller.get("/service-accounts?include_revoked=false", headers=admin)
    assert live.json()["data"] == []


async def test_no_account_inherits_the_rows_of_a_revoked_one(caller):
    first = await made(caller, "sessions:read", "sessions:write")
    session = (await caller.post("/sessions", json={}, headers=token(first))).json()
    assert (await caller.delete(f"/service-accounts/{first['id']}", headers=bearer("root", ADMIN))).is_success
    body = {"name": "ci", "scopes": ["agents:run"]}
    for again in (bearer("alice", *MAKER), bearer("root", ADMIN)):
        taken = await caller.post("/service-accounts", json=body, headers=again)
        assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
        assert "choose another name" in taken.json()["detail"]
    other = await made(caller, "sessions:read", name="ci-2")
    path = f"/sessions/{session['session_id']}"
    assert (await caller.get(path, headers=token(other))).status_code == 404
    assert (await caller.get(path, headers=bearer("root", ADMIN))).status_code == 200


async def test_of_many_that_take_a_name_at_once_one_gets_it(db):
    accounts = [service_accounts.make("ci", ["agents:run"], lifetime=None) for _ in range(8)]

    async def create(account, text):
        try:
            await db.create_service_account(account, token_hash=service_accounts.hash_of(text))
        except ConflictError:
            return False
        return await db.revoke_service_account(account.id)

    assert sum(await asyncio.gather(*(create(*each) for each in accounts))) == 1


async def test_accounts_that_share_a_name_since_earlier_keep_working(caller, db, database):
    revoked = await made(caller, "config:read", name="old")
    await caller.delete(f"/service-accounts/{revoked['id']}", headers=bearer("root", ADMIN))
    live = await made(caller, "config:read", name="new")
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_service_accounts SET name = 'old'")
    assert (await caller.get("/config", headers=token(live))).status_code == 200
    assert (await caller.get("/config", headers=token(revoked))).status_code == 401


async def test_an_expired_account_is_refused_and_one_that_never_expires_is_not(caller, db):
    late, late_token = service_accounts.make("late", ["config:read"], lifetime=timedelta(seconds=-1))
    await db.create_service_account(late, token_hash=service_accounts.hash_of(late_token))
    refused = await caller.get("/config", headers=token({"token": late_token}))
    assert (refused.status_code, refused.json()["code"]) == (401, "expired_token")
    forever = await made(caller, "config:read", name="forever", never_expires=True)
    assert forever["expires_at"] is None
    assert (await caller.get("/config", headers=token(forever))).status_code == 200


@pytest.mark.parametrize(
    "text",
    ["agentos_sa_", "agentos_sa_" + "x" * 43, "agentos_sa_" + "x" * 44, "agentos_sa_" + "é" * 43],
)
async def test_a_token_that_nobody_has_is_refused(caller, text):
    answer = await caller.get("/config", headers={"Authorization": f"Bearer {text}".encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert "error_description" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("body", [{"name": "Ci"}, {"name": ""}, {"name": "a" * 64}, {"name": "a\n"}, {}])
async def test_a_name_that_cant_work_is_refused(caller, body):
    answer = await caller.post("/service-accounts", json=body, headers=bearer("root", ADMIN))
    assert answer.status_code == 422


@pytest.mark.parametrize("scope", ["agents", "a b:c", "", "a:\n:c", "a:b:c:d", "*:run"])
async def test_a_scope_that_nobody_could_hold_is_refused(caller, scope):
    answer = await caller.post(
        "/service-accounts", json={"name": "ci", "scopes": [scope]}, headers=bearer("root", ADMIN)
    )
    assert answer.status_code == 422


async def test_the_admin_scope_may_be_granted_by_admins(db):
    app = secured(AgentOS(agents=[agent()], db=db).get_app(), admin_scope="my:admin")
    async with serving(app) as caller:
        body = {"name": "ci", "scopes": ["my:admin"]}
        account = await caller.post("/service-accounts", json=body, headers=bearer("boss", "my:admin"))
        assert account.status_code == 201
        assert (await caller.get("/authz/matrix", headers=token(account.json()))).status_code == 200
        body["name"] = "other"
        refused = await caller.post("/service-accounts", json=body, headers=bearer("alice", *MAKER))
        assert refused.status_code == 422 or refused.status_code == 403


async def test_last_use_is_noted_behind_the_request(db):
    app = secured(AgentOS(agents=[agent()], db=db).get_app())
    async with serving(app) as caller:
        account = await made(caller, "config:read")
        assert account["last_used_at"] is None
        assert (await caller.get("/config", headers=token(account))).status_code == 200
    async with serving(app) as caller:  # what was noted is stored by the end of the first
        listed = (await caller.get("/service-accounts", headers=bearer("root", ADMIN))).json()["data"]
    assert abs(listed[0]["last_used_at"] - datetime.now(UTC).timestamp()) < 60


async def test_a_server_without_authentication_makes_none(db):
    async with serving(AgentOS(agents=[agent()], db=db).get_app()) as caller:
        answer = await caller.post("/service-accounts", json={"name": "ci", "scopes": ["agents:run"]})
        assert answer.status_code == 401
        assert (await caller.get("/service-accounts")).status_code == 401
        assert (await caller.delete("/service-accounts/x")).status_code == 401


async def test_a_server_without_a_database_says_what_to_pass():
    async with serving(secured(AgentOS(agents=[agent()]).get_app())) as caller:
        answer = await caller.get("/service-accounts", headers=bearer("root", ADMIN))
        assert answer.status_code == 503
        assert "db=" in answer.json()["detail"]
        unknown = await caller.get("/config", headers=token({"token": "agentos_sa_" + "x" * 43}))
        assert unknown.status_code == 401


async def test_a_confined_token_makes_no_account_that_isnt(caller):
    asked = {"name": "ci", "scopes": ["agents:run"]}
    confined = await caller.post(
        "/service-accounts", json=asked, headers=bearer("ann", *MAKER, session_id="s1")
    )
    assert (confined.status_code, confined.json()["code"]) == (403, "confined_to_session")
    admin = await caller.post("/service-accounts", json=asked, headers=bearer("root", ADMIN, session_id="s1"))
    assert admin.status_code == 403
    free = await caller.post("/service-accounts", json=asked, headers=bearer("ann", *MAKER))
    assert free.status_code == 201


@pytest.mark.parametrize("asked", [{"never_expires": True}, {"expires_in_days": 30}, {"expires_in_days": 1}])
async def test_what_an_account_makes_expires_with_it_at_the_latest(caller, asked):
    maker = await made(caller, *MAKER, name="maker", expires_in_days=2)
    body = {"name": "made", "scopes": ["agents:run"], **asked}
    child = (await caller.post("/service-accounts", json=body, headers=token(maker))).json()
    days = min(asked.get("expires_in_days", 2), 2)
    left = datetime.fromtimestamp(child["expires_at"], UTC) - datetime.now(UTC)
    assert timedelta(days=days) - timedelta(minutes=1) < left <= timedelta(days=days)
