"""The default map against the server's real routes, and against what it should say."""

import pytest
from fastapi.routing import iter_route_contexts

from agentos.agent import Agent
from agentos.models.function import FunctionModel
from agentos.os import AgentOS
from agentos.os.policy.default_scopes import PUBLIC_PATHS, default_scopes
from agentos.os.policy.policy import Policy
from agentos.os.policy.rules import Layer, split

DEFAULT_SCOPES = default_scopes(["agents"])

POLICY = Policy(defaults=DEFAULT_SCOPES, public=PUBLIC_PATHS)


def requests() -> set[tuple[str, str]]:
    """Method and path of everything that a server answers."""
    agent = Agent(id="web", model=FunctionModel(lambda request: "hello"))
    app = AgentOS(agents=[agent]).get_app()
    return {
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        for method in route.methods - {"HEAD"}
    }


def decided(method: str, path: str, *scopes: str):
    return POLICY.decide(frozenset(scopes), method, path.replace("{", "").replace("}", ""))


def test_every_route_is_public_or_has_its_own_line():
    for method, path in requests():
        decision = decided(method, path)
        assert decision.reason in {"public", "any_token", "missing_scope"}, (method, path)


def test_every_line_has_its_route():
    served = [(method, split(path)) for method, path in requests()]
    rules = Layer("default", DEFAULT_SCOPES).rules + Layer("public", dict.fromkeys(PUBLIC_PATHS, ())).rules
    for rule in rules:
        assert any(rule.method == method and rule.matches(path) for method, path in served), rule.key


def test_nothing_but_the_greeting_the_health_the_info_and_the_documentation_is_public():
    public = {(method, path) for method, path in requests() if decided(method, path).reason == "public"}
    assert public == {
        ("GET", path)
        for path in (
            *("/", "/health", "/info", "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"),
            *("/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/favicon.png"),
            "/docs/redoc.standalone.js",
        )
    }


@pytest.mark.parametrize(
    ("request_", "scope"),
    [
        ("GET /config", "config:read"),
        ("GET /agents", "agents:read"),
        ("GET /agents/web", "agents:read"),
        ("POST /agents/web/runs", "agents:run"),
        ("GET /agents/web/runs", "agents:read"),
        ("GET /agents/web/runs/r1", "agents:run"),
        ("GET /agents/web/runs/r1/events", "agents:run"),
        ("POST /agents/web/runs/r1/resume", "agents:run"),
        ("POST /agents/web/runs/r1/cancel", "agents:run"),
        ("POST /agents/web/runs/r1/continue", "agents:run"),
        ("GET /agents/web/runs/r1/checkpoints", "agents:run"),
        ("GET /agents/web/runs/r1/checkpoints/2", "agents:run"),
        ("POST /agents/web/sessions/s1/fork", "agents:run"),
        ("GET /teams", "teams:read"),
        ("GET /workflows", "workflows:read"),
        ("GET /approvals", "approvals:read"),
        ("GET /approvals/count", "approvals:read"),
        ("GET /approvals/a1", "approvals:read"),
        ("GET /approvals/a1/status", "approvals:read"),
        ("POST /approvals/a1/resolve", "approvals:write"),
        ("DELETE /approvals/a1", "approvals:delete"),
        ("GET /sessions", "sessions:read"),
        ("GET /sessions/s1/runs/r1", "sessions:read"),
        ("GET /sessions/s1/run-previews", "sessions:read"),
        ("POST /sessions", "sessions:write"),
        ("POST /sessions/s1/rename", "sessions:write"),
        ("PATCH /sessions/s1", "sessions:write"),
        ("DELETE /sessions", "sessions:delete"),
        ("DELETE /sessions/s1", "sessions:delete"),
        ("GET /memories", "memories:read"),
        ("GET /memories/m1", "memories:read"),
        ("GET /memory_topics", "memories:read"),
        ("GET /user_memory_stats", "memories:read"),
        ("POST /memories", "memories:write"),
        ("PATCH /memories/m1", "memories:write"),
        ("DELETE /memories", "memories:delete"),
        ("DELETE /memories/m1", "memories:delete"),
    ],
)
def test_a_route_wants_the_scope_of_the_contract(request_, scope):
    method, path = request_.split(" ")
    assert decided(method, path, scope).allowed
    assert decided(method, path, "other:scope").missing == (scope,)
    every_other = {
        wanted for scopes in DEFAULT_SCOPES.values() if isinstance(scopes, list) for wanted in scopes
    }
    assert not POLICY.decide(frozenset(every_other - {scope}), method, path).allowed
