"""The matrix: every route, and every rule that decides about some of it."""

from agentos.os.policy.matrix import Route, rows
from agentos.os.policy.policy import Policy
from tests.os.auth.guarded_app import client
from tests.os.auth.loaded_app import ADMIN, loaded_app
from tests.os.tokens.signer import bearer


def shown(scope_map, *routes: Route, **options) -> set[tuple[str, str | None]]:
    found = rows(Policy(operator=scope_map, **options), routes)
    return {(f"{row.method} {row.path}", row.decision.rule) for row in found}


def test_a_route_has_a_row_for_each_rule_that_decides_about_some_of_it():
    scope_map = {"GET /agents/{id}": ["a:b"], "GET /agents/web": ["a:c"], "* /*": ["a:d"], "POST /x": []}
    assert shown(scope_map, Route("/agents/{agent_id}", ("GET",))) == {
        ("GET /agents/{agent_id}", "GET /agents/{id}"),
        ("GET /agents/web", "GET /agents/web"),
    }


def test_a_rule_that_never_comes_first_has_no_row():
    scope_map = {"GET /a": [], "* /a": [], "* /*": []}
    assert shown(scope_map, Route("/a", ("GET",))) == {("GET /a", "GET /a")}


def test_open_ends_meet_at_every_length():
    scope_map = {"GET /files/*": ["a:b"], "GET /files/{name}": ["a:c"], "GET /files/x/y/z": ["a:d"]}
    assert shown(scope_map, Route("/files/*", ("GET",), "mount")) == {
        ("GET /files/*", "GET /files/{name}"),
        ("GET /files/*/*", "GET /files/*"),
        ("GET /files/x/y/z", "GET /files/x/y/z"),
    }


def test_a_route_for_any_method_has_a_row_for_each():
    found = shown({"GET /a": [], "* /a": []}, Route("/a", ("*",)))
    assert {("GET /a", "GET /a"), ("DELETE /a", "* /a"), ("PATCH /a", "* /a")} <= found
    assert ("GET /a", "* /a") not in found


def test_what_a_row_needs():
    scope_map = {"GET /token": [], "GET /scope": ["a:b"], "GET /admin": ["my:admin"]}
    policy = Policy(operator=scope_map, public=["/open"], admin_scope="my:admin")
    routes = [Route(f"/{name}", ("GET",)) for name in ("open", "token", "scope", "admin", "forgotten")]
    assert [row.needs for row in rows(policy, routes)] == ["nothing", "token", "scopes", "admin", "admin"]


async def test_the_matrix_has_every_route_of_the_app():
    async with client(loaded_app()) as http:
        found = (await http.get("/authz/matrix", headers=bearer(ADMIN))).json()
    by_request = {f"{row['method']} {row['path']}": row for row in found}
    assert by_request["POST /agents/{agent_id}/runs"] == {
        "method": "POST",
        "path": "/agents/{agent_id}/runs",
        "kind": "http",
        "needs": "scopes",
        "scopes": ["app:run", "app:execute"],
        "layer": "operator",
        "rule": "POST /agents/*/runs",
    }
    assert by_request["GET /forgotten"]["needs"] == "admin"
    assert by_request["GET /shop/items/{item}"]["needs"] == "token"
    assert by_request["GET /live/{room}"]["kind"] == "websocket"
    assert by_request["GET /static/*"]["kind"] == "mount"
    assert by_request["GET /sub/shallow"]["rule"] == "* /sub/*"
    assert by_request["GET /sub/deep/*"]["rule"] == "GET /sub/deep/*"
    assert by_request["GET /late"]["scopes"] == ["late:read"]
    followed = by_request["GET /agents/{agent_id}/runs/{run_id}/events"]
    assert followed["rule"] == "POST /agents/*/runs"
