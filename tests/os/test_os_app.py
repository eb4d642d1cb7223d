"""Composing apps: what AgentOS takes, adds, keeps and refuses."""

import logging
from contextlib import asynccontextmanager, nullcontext
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware

from agentos.errors import AgentOSError, ConfigurationError
from agentos.os import AgentOS
from agentos.os.config import AuthorizationConfig
from tests.os.apps import SECRET, Played, agent, bearer, serving, team

PAGE = {"Origin": "http://localhost:3000"}
STRANGER = {"Origin": "https://evil.example"}


@pytest.fixture
def base():
    app = FastAPI()

    @app.get("/hello")
    async def hello():
        return "hello"

    @app.get("/agents")
    async def own_agents():
        return "mine"

    return app


WRONG = {
    "nothing to serve": ({}, "agents"),
    "empty lists": ({"agents": [], "teams": []}, r"agents=\[…\], teams=\[…\], or db=…"),
    "a team among the agents": (
        {"agents": [agent(), team()]},
        r"agents\[1\] is of the kind 'team'.*teams=\[",
    ),
    "an agent among the teams": ({"teams": [agent()]}, r"teams\[0\] is of the kind 'agent'.*agents=\["),
    "a single team": ({"teams": team()}, r"teams is a single team: give a list, teams=\[…\]"),
    "the class of a team": ({"teams": [Played]}, r"teams\[0\] is the class Played"),
    "no team at all": ({"teams": ["desk"]}, r"teams\[0\] is of type str: give a team, Team\(…\)"),
    "a team's id twice": ({"teams": [team(), team()]}, "teams: two have the id 'desk'"),
    "same id twice": ({"agents": [agent(), agent()]}, "'web'"),
    "id that is no part of an address": ({"agents": [agent(called="a/b")]}, "'a/b'"),
    "configuration without authorization": (
        {"agents": [agent()], "authorization_config": AuthorizationConfig()},
        "authorization=True",
    ),
    "no body at all": ({"agents": [agent()], "max_body_bytes": 0}, "max_body_bytes"),
    "a file that isn't there": ({"agents": [agent()], "config": "nowhere.yaml"}, "nowhere.yaml"),
}


@pytest.mark.parametrize(("options", "named"), WRONG.values(), ids=WRONG)
def test_a_server_that_cant_work_is_refused_when_it_is_made(options, named):
    with pytest.raises(ConfigurationError, match=named):
        AgentOS(**options)


@pytest.mark.parametrize(
    ("named", "id_"),
    [
        ({"id": "x", "name": "N"}, "x"),
        ({"name": "My Server!"}, "my-server"),
        ({}, "agentos"),
        ({"name": "!"}, "agentos"),
    ],
)
def test_an_id_is_given_or_made_from_the_name(named, id_):
    assert AgentOS(agents=[agent()], **named).id == id_


def test_agents_without_a_database_get_the_servers(empty_db, empty_database):
    own = agent(db=type(empty_db)(empty_database, id="own"))
    without = agent(called="without")
    AgentOS(agents=[own, without], db=empty_db)
    assert (own.db.id, without.db) == ("own", empty_db)


def test_a_team_without_a_database_gets_the_servers_and_a_member_doesnt(empty_db):
    member = agent(called="member")
    desk = team(member)
    AgentOS(teams=[desk], db=empty_db)
    assert (desk.db, member.db) == (empty_db, None)


async def test_a_member_is_served_if_it_is_given_as_an_agent_too():
    member = agent(called="member")
    for agents, status in ([], 404), ([member], 200):
        async with serving(AgentOS(agents=agents, teams=[team(member)]).get_app()) as client:
            assert (await client.get("/teams/desk")).status_code == 200
            assert (await client.get("/agents/member")).status_code == status


async def test_a_team_and_an_agent_may_have_one_id():
    app = AgentOS(agents=[agent(called="desk")], teams=[team()]).get_app()
    async with serving(app) as client:
        told = [(await client.get(f"/{family}/desk")).json()["name"] for family in ("agents", "teams")]
    assert told == ["Desk", "Desk"]


async def test_each_app_is_independent():
    operating = AgentOS(agents=[agent()])
    first, second = operating.get_app(), operating.get_app()
    first.add_api_route("/extra", lambda: "extra")
    async with serving(first) as one, serving(second) as two:
        assert (await one.get("/extra")).status_code == 200
        assert (await two.get("/extra")).status_code == 404
        assert (await two.get("/agents")).status_code == 200
    assert first.state.agentos.runs is not second.state.agentos.runs


async def test_a_base_app_keeps_its_routes(base, caplog):
    with caplog.at_level(logging.WARNING):
        app = AgentOS(agents=[agent()], base_app=base).get_app()
    assert app is base
    assert "GET /agents" in caplog.text
    async with serving(app) as client:
        assert (await client.get("/hello")).json() == "hello"
        assert (await client.get("/agents")).json() == "mine"
        assert (await client.get("/agents/web")).json()["id"] == "web"
        assert (await client.get("/agents/x")).json() == {"detail": "Agent not found", "code": "not_found"}
        refused = await client.post("/agents/web/runs", json={})
        assert refused.json()["detail"][0]["loc"] == ["body", "message"]
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {"/hello", "/agents/{agent_id}/runs"} <= paths.keys()
        assert paths["/agents"]["get"]["operationId"].startswith("own_agents")


@pytest.mark.parametrize("family", ["agents", "teams", "workflows"])
@pytest.mark.parametrize(
    ("scopes", "missing"),
    [(["web:read"], True), (["read"], None), (["*:read"], None), (["web:read", "read"], None)],
)
async def test_a_listing_of_the_base_apps_is_for_who_may_list_everything(family, scopes, missing):
    base = FastAPI()
    base.get(f"/{family}")(lambda: ["web", "secret"])
    config = AuthorizationConfig(
        verification_keys=[SECRET],
        algorithm="HS256",
        verify_audience=False,
        require_exp=False,
        scope_mappings={f"GET /{family}": [f"{family}:read"]},
    )
    options = {"authorization": True, "authorization_config": config}
    token = bearer("ann", *(f"{family}:{scope}" for scope in scopes))
    async with serving(AgentOS(agents=[agent()], base_app=base, **options).get_app()) as client:
        answer = await client.get(f"/{family}", headers=token)
        told = await client.get(f"/authz/explain?method=GET&path=/{family}", headers=token)
        assert told.json()["allowed"] is (answer.status_code == 200), told.text
        if missing:
            assert (answer.status_code, answer.json()["missing"]) == (403, [f"{family}:read"])
        else:
            assert (answer.status_code, answer.json()) == (200, ["web", "secret"])


async def test_a_base_apps_dependencies_hold_for_our_routes_too():
    def locked(x_key: Annotated[str | None, Header()] = None):
        if x_key != "sesame":
            raise HTTPException(401, {"why": "locked"}, headers={"WWW-Authenticate": "Key"})

    base = FastAPI(dependencies=[Depends(locked)])
    async with serving(AgentOS(agents=[agent()], base_app=base).get_app()) as client:
        for method, path in (("GET", "/agents"), ("GET", "/config"), ("POST", "/agents/web/runs")):
            body = {"json": {"message": "hi", "stream": False}} if method == "POST" else {}
            refused = await client.request(method, path, **body)
            assert (refused.status_code, refused.json()) == (401, {"detail": {"why": "locked"}})
            assert refused.headers["WWW-Authenticate"] == "Key"
            allowed = await client.request(method, path, headers={"X-Key": "sesame"}, **body)
            assert allowed.status_code == 200, allowed.text


async def test_a_base_app_keeps_its_handlers(base):
    @base.exception_handler(AgentOSError)
    async def ours(request, error):
        return JSONResponse("theirs", 418)

    @base.get("/broken")
    async def broken():
        raise AgentOSError("x")

    @base.get("/refused")
    async def refused():
        raise HTTPException(400, "mine")

    @base.exception_handler(HTTPException)
    async def http(request, error):
        return JSONResponse("theirs", error.status_code)

    async with serving(AgentOS(agents=[agent()], base_app=base).get_app()) as client:
        assert (await client.get("/broken")).status_code == 418
        assert (await client.get("/refused")).json() == "theirs"
        for unserved in (await client.get("/nowhere"), await client.put("/hello")):
            assert unserved.json().keys() == {"detail"}
        assert (await client.get("/sessions")).json()["code"] == "no_database"
        assert (await client.put("/sessions")).json()["code"] == "method_not_allowed"
        assert (await client.get("/agents/x")).json()["code"] == "not_found"


def test_composing_twice_is_composing_once(base):
    operating = AgentOS(agents=[agent()], base_app=base)
    app = operating.get_app()
    routes = len(app.routes)
    assert operating.get_app() is app
    assert len(app.routes) == routes
    with pytest.raises(ConfigurationError, match="another AgentOS"):
        AgentOS(agents=[agent()], base_app=base).get_app()


async def test_a_catch_all_that_comes_later_hides_nothing(base, tmp_path):
    (tmp_path / "page.html").write_text("page")
    app = AgentOS(agents=[agent()], base_app=base).get_app()
    app.mount("/", StaticFiles(directory=tmp_path))
    async with serving(app) as client:
        assert (await client.get("/agents/web")).status_code == 200
        assert (await client.get("/page.html")).text == "page"


async def test_lifespans_run_inside_each_other_and_share_state(base, empty_db):
    order = []

    def lifespan(name, **state):
        @asynccontextmanager
        async def run(app):
            await empty_db.start()
            order.append(f"{name} up")
            yield state
            order.append(f"{name} down")

        return run

    base.router.lifespan_context = lifespan("base", a=1)
    app = AgentOS(agents=[agent()], db=empty_db, base_app=base, lifespan=lifespan("own", b=2)).get_app()
    async with app.router.lifespan_context(app) as state:
        assert state == {"a": 1, "b": 2}
    assert order == ["base up", "own up", "own down", "base down"]


async def test_startup_handlers_of_old_still_run(base):
    called = []
    base.router.add_event_handler("startup", lambda: called.append("up"))
    async with serving(AgentOS(agents=[agent()], base_app=base).get_app()):
        assert called == ["up"]


async def test_one_trailing_slash_is_nothing():
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        for path in ("/agents/", "/config/", "/agents/web/", "/health/"):
            assert (await client.get(path)).status_code == 200
        assert (await client.post("/agents/web/runs/", json={"message": "hi"})).status_code == 200
        assert (await client.get("/agents//")).status_code == 404


async def test_what_isnt_served_is_json():
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        absent = await client.get("/nowhere")
        assert (absent.status_code, absent.json()) == (404, {"detail": "Not Found", "code": "not_found"})
        wrong = await client.put("/agents")
        told = {"detail": "Method Not Allowed", "code": "method_not_allowed"}
        assert (wrong.status_code, wrong.json(), wrong.headers["allow"]) == (405, told, "GET")


async def test_a_crash_is_told_apart_in_the_log_only(caplog):
    app = AgentOS(agents=[agent()]).get_app()

    @app.get("/crash")
    async def crash():
        raise RuntimeError("the secret")

    async with serving(app) as client:
        crashed = await client.get("/crash")
    assert crashed.status_code == 500
    body = crashed.json()
    assert (body["detail"], body["code"]) == ("Internal server error", "internal_error")
    (record,) = [record for record in caplog.records if record.name == "agentos.os"]
    assert body["error_id"] in record.getMessage()
    assert str(record.exc_info[1]) == "the secret"


async def test_pages_of_allowed_origins_may_read():
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        allowed = await client.get("/agents", headers=PAGE)
        assert allowed.headers["access-control-allow-origin"] == PAGE["Origin"]
        assert allowed.headers["access-control-allow-credentials"] == "true"
        refused = await client.get("/agents", headers=STRANGER)
        assert "access-control-allow-origin" not in refused.headers
        preflight = {
            **PAGE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        assert (await client.options("/agents/web/runs", headers=preflight)).status_code == 200
        preflight |= STRANGER
        assert (await client.options("/agents/web/runs", headers=preflight)).status_code == 400


async def test_origins_are_named_or_everyones_without_credentials():
    named = AgentOS(agents=[agent()], cors_allowed_origins=["https://ours.example"]).get_app()
    async with serving(named) as client:
        assert "access-control-allow-origin" not in (await client.get("/agents", headers=PAGE)).headers
        ours = await client.get("/agents", headers={"Origin": "https://ours.example"})
        assert ours.headers["access-control-allow-origin"] == "https://ours.example"
    async with serving(AgentOS(agents=[agent()], cors_allowed_origins=["*"]).get_app()) as client:
        anyone = await client.get("/agents", headers=STRANGER)
        assert anyone.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in anyone.headers


async def test_a_base_app_keeps_its_cors(base):
    base.add_middleware(CORSMiddleware, allow_origins=["https://theirs.example"])
    with pytest.raises(ConfigurationError, match="CORSMiddleware"):
        AgentOS(agents=[agent()], base_app=base, cors_allowed_origins=["https://ours.example"])
    async with serving(AgentOS(agents=[agent()], base_app=base).get_app()) as client:
        theirs = await client.get("/agents/web", headers={"Origin": "https://theirs.example"})
        assert theirs.headers.get_list("access-control-allow-origin") == ["https://theirs.example"]


async def test_authorization_guards_every_route():
    config = AuthorizationConfig(verification_keys=[SECRET], algorithm="HS256")
    app = AgentOS(id="ours", agents=[agent()], authorization=True, authorization_config=config).get_app()
    async with serving(app) as client:
        for headers, status in [
            ({}, 401),
            (bearer("ann"), 401),
            (bearer("ann", aud="theirs"), 401),
            (bearer("ann", aud="ours"), 200),
            (bearer("ann", "sessions:read", aud="ours"), 403),
        ]:
            answered = await client.get("/agents", headers={**headers, **PAGE})
            assert answered.status_code == status
            assert answered.headers["access-control-allow-origin"] == PAGE["Origin"]
        assert (await client.get("/health")).status_code == 200


async def test_authorization_without_a_key_stops_the_start(monkeypatch):
    monkeypatch.delenv("JWT_VERIFICATION_KEY", raising=False)
    app = AgentOS(agents=[agent()], authorization=True).get_app()
    with pytest.raises(ConfigurationError, match="verification_keys"):
        app.build_middleware_stack()


@pytest.mark.parametrize("is_started", [False, True])
async def test_a_mounted_app_takes_runs_only_once_it_is_started(db, is_started, caplog):
    """Mounting an app doesn't enter its lifespan: nobody would execute its runs, or say that it lives."""
    inner = AgentOS(agents=[agent()], db=db).get_app()

    @asynccontextmanager
    async def lifespan(_):
        async with inner.router.lifespan_context(inner) if is_started else nullcontext():
            yield

    outer = FastAPI(lifespan=lifespan)
    outer.mount("/os", inner)
    async with serving(outer) as client:
        for background in (False, True):
            run = {"message": "hi", "stream": False, "background": background}
            answered = await client.post("/os/agents/web/runs", json=run)
            if is_started:
                assert answered.status_code == (202 if background else 200)
            else:
                assert (answered.status_code, answered.json()["code"]) == (503, "not_started")
                assert "enter app.router.lifespan_context(app)" in answered.json()["detail"]
        assert len((await client.get("/os/sessions")).json()["data"]) == (2 if is_started else 0)
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert [each[:35] for each in errors] == ([] if is_started else ["This AgentOS hasn't been started. A"])


async def test_a_lifespan_may_take_the_agent_os_too(empty_db):
    entered = []

    @asynccontextmanager
    async def lifespan(app, agent_os):
        entered.append((app, agent_os))
        yield

    operating = AgentOS(agents=[agent()], db=empty_db, lifespan=lifespan)
    app = operating.get_app()
    async with serving(app):
        assert entered == [(app, operating)]
