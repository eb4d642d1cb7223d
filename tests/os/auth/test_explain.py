"""What `GET /authz/explain` and its kin say, to whom."""

import pytest
from fastapi import FastAPI

from agentos.os import AgentOS
from agentos.os.auth.explain import explain
from agentos.os.auth.guard import Guard
from agentos.os.auth_settings import AuthSettings
from agentos.os.principal import OPEN, Principal
from tests.os.apps import agent
from tests.os.auth.guarded_app import client, guarded
from tests.os.auth.loaded_app import ADMIN, loaded_app
from tests.os.tokens.signer import bearer

RUNS = "/agents/web/runs"


def asked(guard: Guard, method: str, path: str, *scopes: str, user_id: str | None = "alice", **known):
    principal = Principal(user_id=user_id, scopes=frozenset(scopes))
    return explain(guard.access(principal, OPEN.decision), method, path, **known)


@pytest.mark.parametrize(
    ("options", "request_", "scopes", "allowed", "code", "rows"),
    [
        ({}, "GET /sessions", ["sessions:read"], True, "granted", "own"),
        ({}, "GET /sessions", [], False, "missing_scope", None),
        ({}, "GET /sessions", ["agent_os:admin"], True, "admin", "everyone"),
        ({}, "GET /agents", ["agents:read"], True, "granted", None),
        ({}, "POST /agents/web/runs", ["agents:web:run"], True, "granted", "own"),
        ({}, "GET /agents/web/runs/r1", ["agents:run"], True, "granted", "own"),
        ({}, "GET /config", ["config:read"], True, "granted", None),
        ({}, "GET /health", [], True, "public", None),
        ({}, "GET /authz/explain", [], True, "any_token", None),
        ({}, "GET /authz/matrix", ["authz:read"], False, "missing_scope", None),
        ({}, "GET /nowhere", [], False, "no_rule", None),
        ({}, "GET /a//b", [], False, "bad_path", None),
        ({}, "OPTIONS /sessions", [], False, "missing_scope", None),
        ({}, "OPTIONS /sessions", ["sessions:read"], True, "granted", "own"),
        ({"all_users_scope": "a:b"}, "GET /sessions", ["sessions:read", "a:b"], True, "granted", "everyone"),
        ({"all_users_scope": "a:b"}, "HEAD /sessions", ["sessions:read", "a:b"], True, "granted", "everyone"),
        ({"all_users_scope": "a:b"}, "DELETE /sessions", ["sessions:delete", "a:b"], True, "granted", "own"),
        ({"user_isolation": False}, "GET /sessions", ["sessions:read"], True, "granted", "everyone"),
    ],
)
def test_an_explanation_is_what_happens_and_to_whose_rows(options, request_, scopes, allowed, code, rows):
    method, path = request_.split(" ")
    told = asked(Guard(AuthSettings(authorization=True, **options)), method, path, *scopes)
    assert (told.allowed, told.code, told.rows) == (allowed, code, rows)


@pytest.mark.parametrize(
    ("options", "request_", "user_id", "code"),
    [
        ({}, "GET /sessions", None, "no_identity"),
        ({}, "GET /sessions", "alice", "granted"),
        ({}, "POST /agents/web/runs", None, "no_identity"),
        ({}, "GET /agents", None, "granted"),
        ({"user_isolation": False}, "GET /sessions", None, "granted"),
        ({"excluded_route_paths": ["/sessions"]}, "GET /sessions", "alice", "no_identity"),
        ({"excluded_route_paths": ["/agents"]}, "GET /agents", "alice", "public"),
    ],
)
def test_rows_that_have_owners_want_a_user(options, request_, user_id, code):
    method, path = request_.split(" ")
    scopes = ("sessions:read", "agents:read", "agents:run")
    told = asked(Guard(AuthSettings(authorization=True, **options)), method, path, *scopes, user_id=user_id)
    assert (told.code, told.allowed) == (code, code != "no_identity")


def test_whose_rows_a_route_of_the_users_own_touches_isnt_ours_to_say():
    guard = Guard(AuthSettings(authorization=True))
    assert asked(guard, "GET", "/sessions", "sessions:read", user_id=None, is_ours=False).allowed


async def test_everybody_may_ask_about_themselves():
    async with client(loaded_app()) as http:
        params = {"method": "post", "path": RUNS}
        answer = await http.get("/authz/explain", params=params, headers=bearer("app:run"))
        assert answer.json() == {
            "allowed": False,
            "code": "missing_scope",
            "detail": "Required scope(s): app:run, app:execute",
            "layer": "operator",
            "rule": "POST /agents/*/runs",
            "rank": 2,
            "wanted": ["app:run", "app:execute"],
            "held": ["app:run"],
            "missing": ["app:execute"],
            "ids": None,
            "rows": None,
            "route": "/agents/{agent_id}/runs",
        }
        params = {"method": "GET", "path": "/agents"}
        answer = await http.get("/authz/explain", params=params, headers=bearer("agents:web:read"))
        assert (answer.json()["ids"], answer.json()["detail"]) == (["web"], "Granted by agents:web:read.")
        assert (await http.get("/authz/explain", params=params)).status_code == 401


async def test_only_admins_ask_about_others():
    params = {"method": "POST", "path": RUNS, "scopes": "app:run app:execute"}
    async with client(loaded_app()) as http:
        denied = await http.get("/authz/explain", params=params, headers=bearer("app:run", "app:execute"))
        assert (denied.status_code, denied.json()["missing"]) == (403, [ADMIN])
        told = await http.get("/authz/explain", params=params, headers=bearer(ADMIN))
        assert (told.json()["code"], told.json()["rows"]) == ("granted", "own")


@pytest.mark.parametrize("path", ["/authz/matrix", "/authz/shadow"])
@pytest.mark.parametrize("options", [{}, {"scope_mappings": None}])
async def test_the_whole_map_is_for_admins_whatever_the_map(path, options):
    async with client(loaded_app(**options)) as http:
        assert (await http.get(path)).status_code == 401
        for scopes in ((), ("agent_os:admin",), ("my:*:admin",), (f"{ADMIN}s",)):
            denied = await http.get(path, headers=bearer(*scopes))
            assert (denied.status_code, denied.json()["missing"]) == (403, [ADMIN])
        assert (await http.get(path, headers=bearer(ADMIN))).status_code == 200


async def test_a_server_without_tokens_explains_itself_to_everybody():
    async with client(AgentOS(agents=[agent()]).get_app()) as http:
        params = {"method": "GET", "path": "/sessions", "scopes": "a:b"}
        told = (await http.get("/authz/explain", params=params)).json()
        assert (told["allowed"], told["code"], told["rows"]) == (True, "unmapped", "everyone")
        assert {row["needs"] for row in (await http.get("/authz/matrix")).json()} == {"token"}
        assert (await http.get("/authz/shadow")).json()["enabled"] is False


@pytest.mark.parametrize(
    "params",
    [
        {"path": "/agents"},
        {"method": "GET"},
        {"method": "GET /x", "path": "/agents"},
        {"method": "GET", "path": "agents"},
        {"method": "GET", "path": "/" + "a" * 5000},
        {"method": "GET", "path": "/agents", "scopes": "a" * 9000},
    ],
)
async def test_a_question_that_cant_be_read_is_refused(params):
    async with client(loaded_app()) as http:
        assert (await http.get("/authz/explain", params=params, headers=bearer(ADMIN))).status_code == 422


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/agents/web", "/agents/{agent_id}"),
        ("/agents/web/", "/agents/{agent_id}"),
        ("/agents/a/b/c", None),
        ("/live/one", "/live/{room}"),
        ("/sub/deep/x/y", "/sub/*"),
        ("/agents/web\nx", "/agents/{agent_id}"),
        ("/agents/%2e", "/agents/{agent_id}"),
        ("/agents//web", None),
    ],
)
async def test_the_route_is_the_one_that_serves_the_path(path, route):
    async with client(loaded_app()) as http:
        params = {"method": "GET", "path": path}
        assert (await http.get("/authz/explain", params=params, headers=bearer(ADMIN))).json()[
            "route"
        ] == route


async def test_an_app_below_a_prefix_explains_its_own_paths():
    app = loaded_app()
    for path in ("/mine", "/api/mine"):
        async with client(app, root_path="/api") as http:
            params = {"method": "GET", "path": path}
            told = await http.get("/api/authz/explain", params=params, headers=bearer("mine:read"))
            assert (told.json()["code"], told.json()["route"]) == ("granted", "/mine")


async def test_a_route_of_the_users_own_in_place_of_ours_needs_no_user():
    own = FastAPI()
    own.get("/sessions")(lambda: "not about anybody's rows")
    app = AgentOS(agents=[agent()], base_app=own).get_app()
    guarded(app, authorization=True)
    nobody = bearer("sessions:read", "memories:read", sub=...)
    async with client(app) as http:
        for path, status, code in (("/sessions", 200, "granted"), ("/memories", 403, "no_identity")):
            assert (await http.get(path, headers=nobody)).status_code == status
            params = {"method": "GET", "path": path}
            told = (await http.get("/authz/explain", params=params, headers=nobody)).json()
            assert (told["code"], told["rows"]) == (code, None)
