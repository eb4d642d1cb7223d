"""Shadow mode: a second map is asked about live requests, and decides nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from agentos.os.policy.policy import Decision, Policy
from agentos.os.policy.shadow import MAX_CHANGES, MAX_EXAMPLES, MAX_SCOPES, Shadow
from tests.os.auth.guarded_app import client
from tests.os.auth.loaded_app import ADMIN, MAP, knock, loaded_app
from tests.os.tokens.signer import bearer, token

SECOND = {**MAP, "GET /mine": ["mine:other"], "GET /forgotten": ["mine:read"], "GET /live/{room}": []}


async def report(app) -> dict:
    async with client(app) as http:
        return (await http.get("/authz/shadow", headers=bearer(ADMIN))).json()


async def test_what_would_change_is_counted_and_nothing_changes():
    app = loaded_app(shadow_scope_mappings=SECOND)
    asked = [
        ("http", "/mine", ["mine:read"], 200),
        ("http", "/mine", ["mine:read"], 200),
        ("http", "/mine", ["mine:other"], 403),
        ("http", "/forgotten", ["mine:read"], 403),
        ("websocket", "/live/one", [], 403),
        ("http", "/agents", ["agents:read"], 200),
        ("http", "/agents", [], 403),
        ("http", "/nowhere", ["mine:read"], 404),
    ]
    for kind, path, scopes, status in asked:
        assert await knock(app, kind, "GET", path, token(*scopes)) == status
    found = await report(app)
    assert (found["enabled"], found["newly_allowed"], found["newly_denied"]) == (True, 3, 2)
    changes = {(change["direction"], change["route"]): change for change in found["changes"]}
    assert set(changes) == {
        ("newly_denied", "/mine"),
        ("newly_allowed", "/mine"),
        ("newly_allowed", "/forgotten"),
        ("newly_allowed", "/live/{room}"),
    }
    denied = changes["newly_denied", "/mine"]
    assert (denied["count"], denied["rule"], denied["missing"]) == (2, "GET /mine", ["mine:other"])
    assert denied["examples"] == [["mine:read"]]
    assert datetime.now(UTC) - datetime.fromisoformat(denied["last_seen"]) < timedelta(minutes=1)
    assert found["changes"][0] == denied


async def test_a_first_map_can_be_tried_on_a_server_that_only_authenticates():
    app = loaded_app(scope_mappings=None, shadow_scope_mappings={"GET /mine": ["mine:read"]})
    assert await knock(app, "http", "GET", "/mine", token("a:b")) == 200
    assert await knock(app, "http", "GET", "/mine", token("mine:read")) == 200
    assert await knock(app, "http", "GET", "/agents", token("mine:read")) == 200
    found = await report(app)
    assert {change["route"]: change["missing"] for change in found["changes"]} == {
        "/mine": ["mine:read"],
        "/agents": ["agents:read"],
    }


async def test_what_needs_no_token_now_and_would_need_one_is_a_denial():
    app = loaded_app(excluded_route_paths=["/mine"], scope_mappings={}, shadow_scope_mappings=SECOND)
    assert await knock(app, "http", "GET", "/mine", None) == 200
    (change,) = (await report(app))["changes"]
    assert (change["direction"], change["examples"]) == ("newly_denied", [[]])


async def test_an_unproven_caller_is_no_traffic():
    app = loaded_app(shadow_scope_mappings=SECOND)
    assert await knock(app, "http", "GET", "/mine", None) == 401
    assert await knock(app, "http", "GET", "/mine", token("mine:read", key="x" * 64)) == 401
    assert (await report(app))["changes"] == []


async def test_without_a_second_map_there_is_nothing_to_report():
    assert await report(loaded_app()) == {
        "enabled": False,
        "since": None,
        "newly_allowed": 0,
        "newly_denied": 0,
        "uncounted": 0,
        "changes": [],
    }


def test_what_is_kept_has_bounds():
    shadow = Shadow(Policy())
    for number in range(MAX_CHANGES + 7):
        shadow.count(Decision(), ["a:b"], "GET", f"/{number}")
    for number in range(MAX_EXAMPLES + 3):
        shadow.count(
            Decision(), [f"a:{number}-{one}-{'x' * 500}" for one in range(MAX_SCOPES * 2)], "GET", "/0"
        )
    assert (len(shadow.changes), shadow.uncounted) == (MAX_CHANGES, 7)
    first = shadow.changes[0]
    assert first.route == "/0"
    assert len(first.examples) == MAX_EXAMPLES
    assert max(len(example) for example in first.examples) == MAX_SCOPES
    assert max(len(scope) for example in first.examples for scope in example) == 100


@pytest.mark.parametrize("scope_map", [{"GET": []}, {"GET /x": ["a"]}])
async def test_a_malformed_second_map_stops_the_app(scope_map):
    with pytest.raises(Exception, match="scope"):
        loaded_app(shadow_scope_mappings=scope_map)
