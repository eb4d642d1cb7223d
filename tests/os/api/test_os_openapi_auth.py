"""The OpenAPI document says what each operation asks of a caller, and it is what the server asks."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader

from agentos.os import AgentOS
from agentos.os.auth_settings import AuthorizationConfig
from agentos.os.middleware import JWTMiddleware
from tests.os.apps import SECRET, agent, bearer, secured, serving

RUNS = "/agents/{agent_id}/runs"
METHODS = {"get", "post", "patch", "delete", "put"}


def an_app(**options) -> FastAPI:
    return AgentOS(agents=[agent()], **options).get_app()


def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_without_authentication_nothing_is_asked_or_refused():
    document = an_app().openapi()
    assert "securitySchemes" not in document["components"]
    for name, operation in operations(document).items():
        assert "security" not in operation, name
        # Where nobody says who they are, those refuse everybody; and an approver's word may be missing.
        if "/service-accounts" not in name and "/continue" not in name:
            assert not {"401", "403"} & operation["responses"].keys(), name


def test_every_operation_names_its_scopes_and_refusals():
    document = secured(an_app()).openapi()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    found = operations(document)
    assert found["GET /agents"]["security"] == [{"bearer": ["agents:read"]}]
    assert found[f"POST {RUNS}"]["security"] == [{"bearer": ["agents:run"]}]
    assert found[f"GET {RUNS}/{{run_id}}/events"]["x-required-scopes"] == ["agents:run"]
    assert found["GET /authz/matrix"]["security"] == [{"bearer": ["agent_os:admin"]}]
    assert found["GET /authz/explain"]["security"] == [{"bearer": []}]
    for name, operation in found.items():
        if name not in {"GET /health", "GET /info"}:
            assert {"401", "403", "503"} <= operation["responses"].keys(), name
            assert "Needs" in operation["description"], name


def test_a_public_operation_says_so_and_refuses_nobody():
    health = operations(secured(an_app()).openapi())["GET /health"]
    assert health["security"] == []
    assert health["x-required-scopes"] == []
    assert health["responses"].keys() == {"200"}
    assert "Needs" not in health["description"]


def test_the_operators_map_is_the_one_told():
    mapped = {"POST /agents/*/runs": ["app:run", "app:execute"], "GET /sessions": []}
    document = secured(an_app(), scope_mappings=mapped, admin_scope="my:admin").openapi()
    found = operations(document)
    assert found[f"POST {RUNS}"]["security"] == [{"bearer": ["app:run", "app:execute"]}]
    told = "Needs `app:run` and `app:execute` (operator rule `POST /agents/*/runs`)."
    assert told in found[f"POST {RUNS}"]["description"]
    assert "Needs any valid token (operator rule `GET /sessions`)." in found["GET /sessions"]["description"]
    assert "(default rule `GET /memories`)" in found["GET /memories"]["description"]
    assert found["GET /authz/shadow"]["x-required-scopes"] == ["my:admin"]
    assert "`my:admin`" in document["components"]["securitySchemes"]["bearer"]["description"]


def test_a_rule_about_some_paths_of_an_operation_is_told_apart():
    mapped = {"POST /agents/web/runs": ["web:run"]}
    run = operations(secured(an_app(), scope_mappings=mapped).openapi())[f"POST {RUNS}"]
    assert run["x-required-scopes"] == ["agents:run"]
    assert "`/agents/web/runs`: Needs `web:run`" in run["description"]


def test_an_operation_that_is_public_but_for_a_path_tells_both():
    document = secured(
        an_app(), excluded_route_paths=["GET /agents/*"], scope_mappings={"GET /agents/web": ["web:read"]}
    ).openapi()
    one = operations(document)["GET /agents/{agent_id}"]
    assert one["security"] == []
    assert "`/agents/web`: Needs `web:read`" in one["description"]
    assert "401" in one["responses"]


def test_authentication_alone_asks_for_any_token():
    app = an_app()
    app.add_middleware(JWTMiddleware, verification_keys=[SECRET], algorithm="HS256")
    found = operations(app.openapi())
    assert found["GET /sessions"]["security"] == [{"bearer": []}]
    assert found["GET /authz/matrix"]["security"] == [{"bearer": ["agent_os:admin"]}]


def test_the_servers_own_setting_is_told_too():
    config = AuthorizationConfig(verification_keys=[SECRET], algorithm="HS256", admin_scope="my:admin")
    document = an_app(authorization=True, authorization_config=config).openapi()
    assert operations(document)["GET /config"]["security"] == [{"bearer": ["config:read"]}]


@pytest.mark.parametrize(
    ("options", "schemes"),
    [
        ({}, {"bearer": ("http", None)}),
        ({"token_header_key": "X-Token"}, {"bearer": ("apiKey", "X-Token")}),
        ({"token_source": "cookie", "cookie_name": "jwt"}, {"cookie": ("apiKey", "jwt")}),
        ({"token_source": "both"}, {"bearer": ("http", None), "cookie": ("apiKey", "access_token")}),
    ],
    ids=["header", "named header", "cookie", "both"],
)
def test_schemes_are_the_ways_in_which_tokens_are_read(options, schemes):
    document = secured(an_app(), **options).openapi()
    declared = document["components"]["securitySchemes"]
    assert {name: (it["type"], it.get("name")) for name, it in declared.items()} == schemes
    alternatives = [{name: ["agents:read"]} for name in schemes]
    assert operations(document)["GET /agents"]["security"] == alternatives


def users_app() -> FastAPI:
    app = FastAPI()
    app.get("/mine/{file:path}")(lambda file: file)
    app.get("/forgotten", responses={403: {"description": "Mine."}})(lambda: None)
    return app


def test_the_users_own_operations_are_told_as_well():
    app = an_app(base_app=users_app())
    found = operations(secured(app, scope_mappings={"GET /mine/*": ["my:files"]}).openapi())
    assert found["GET /mine/{file}"]["security"] == [{"bearer": ["my:files"]}]
    assert found["GET /forgotten"]["x-required-scopes"] == ["agent_os:admin"]
    assert "for no rule covers it" in found["GET /forgotten"]["description"]
    assert found["GET /forgotten"]["responses"]["403"]["description"] == "Mine."


def test_what_an_operation_asks_for_itself_is_asked_besides():
    base = FastAPI()
    base.get("/keyed", dependencies=[Security(APIKeyHeader(name="X-Key"))])(lambda: None)
    app = secured(an_app(base_app=base), scope_mappings={"GET /keyed": ["a:b"]}, token_source="both")
    document = app.openapi()
    assert operations(document)["GET /keyed"]["security"] == [
        {"APIKeyHeader": [], "bearer": ["a:b"]},
        {"APIKeyHeader": [], "cookie": ["a:b"]},
    ]
    assert document["components"]["securitySchemes"].keys() == {"APIKeyHeader", "bearer", "cookie"}


def test_a_document_of_openapi_3_0_names_no_scopes_in_security():
    base = FastAPI()
    base.openapi_version = "3.0.3"
    agents = operations(secured(an_app(base_app=base)).openapi())["GET /agents"]
    assert agents["security"] == [{"bearer": []}]
    assert agents["x-required-scopes"] == ["agents:read"]


def test_middleware_and_routes_that_come_later_are_told():
    app = an_app()
    assert "security" not in operations(app.openapi())["GET /agents"]
    secured(app, scope_mappings={"GET /late": ["late:read"]})
    assert operations(app.openapi())["GET /agents"]["security"]
    app.get("/late")(lambda: None)
    assert operations(app.openapi())["GET /late"]["security"] == [{"bearer": ["late:read"]}]
    assert app.openapi() is app.openapi()


def test_references_lead_somewhere():
    document = secured(an_app()).openapi()
    references = {part.partition('"')[0] for part in json.dumps(document).split('"$ref": "')[1:]}
    for reference in references:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place


async def test_everybody_may_read_it_and_it_holds():
    async with serving(secured(an_app())) as http:
        document = (await http.get("/openapi.json")).json()
        agents = operations(document)["GET /agents"]
        [(scheme, scopes)] = agents["security"][0].items()
        assert document["components"]["securitySchemes"][scheme]["scheme"] == "bearer"
        assert (await http.get("/agents", headers=bearer("alice", *scopes))).status_code == 200
        denied = await http.get("/agents", headers=bearer("alice", "other:read"))
        assert denied.status_code == 403
        schema = document["components"]["responses"]["Forbidden"]["content"]["application/json"]["schema"]
        assert set(schema["required"]) <= denied.json().keys() == schema["properties"].keys()
        assert "swagger" in (await http.get("/docs")).text.lower()
