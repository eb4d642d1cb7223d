"""Whose rows a caller may touch, as a table."""

import json

import pytest

from agentos.os.policy.policy import Decision, Policy
from agentos.os.principal import (
    NOBODY,
    OPEN,
    Access,
    AccessDeniedError,
    Principal,
    access_of,
    challenge,
    grant,
)
from agentos.run.owner import ANYONE

POLICY = Policy(admin_scope="my:admin")
ALICE = Principal(user_id="alice", scopes=frozenset({"a:b"}))
ADMIN = Principal(user_id="root", scopes=frozenset({"my:admin"}))
READER = Principal(user_id="carol", scopes=frozenset({"all:read"}))
MACHINE = Principal(scopes=frozenset({"a:b"}))


def access(principal: Principal, *, is_isolated: bool = True) -> Access:
    return Access(principal, Decision(allowed=True), POLICY, is_isolated, all_users_scope="all:read")


@pytest.mark.parametrize(
    ("given", "reads", "writes", "acts_for_bob_as"),
    [
        (access(ALICE), "alice", "alice", "alice"),
        (access(ADMIN), ANYONE, ANYONE, "bob"),
        (access(READER), ANYONE, "carol", "carol"),
        (access(ALICE, is_isolated=False), ANYONE, ANYONE, "alice"),
        (access(MACHINE, is_isolated=False), ANYONE, ANYONE, "bob"),
        (OPEN, ANYONE, ANYONE, "bob"),
    ],
)
def test_rows_belong_to_whom_the_token_says(given, reads, writes, acts_for_bob_as):
    assert given.owner(write=False) == reads
    assert given.owner(write=True) == writes
    assert given.user("bob") == acts_for_bob_as


@pytest.mark.parametrize("principal", [MACHINE, NOBODY, Principal(user_id="")])
def test_no_identity_is_refused_where_one_is_needed(principal):
    for ask in (
        lambda given: given.owner(write=False),
        lambda given: given.owner(write=True),
        lambda given: given.user("bob"),
    ):
        with pytest.raises(AccessDeniedError) as caught:
            ask(access(principal))
        assert caught.value.code == "no_identity"
        assert ask(access(ALICE)) == "alice"


def test_nobody_is_named_by_default_scopes_left_out():
    without = Access(ALICE, Decision(allowed=True), POLICY)
    assert without.all_users_scope is None
    assert without.owner(write=False) == "alice"


def test_a_custom_admin_scope_replaces_the_usual_one():
    usual = Principal(user_id="eve", scopes=frozenset({"agent_os:admin"}))
    assert not access(usual).is_admin
    assert access(ADMIN).is_admin


def test_an_admin_without_a_name_acts_for_whom_the_request_names():
    nameless = access(Principal(scopes=frozenset({"my:admin"})))
    assert nameless.user("bob") == "bob"
    assert nameless.user(None) is None
    assert access(ADMIN).user(None) == "root"


def test_the_tokens_session_replaces_the_requests():
    assert access(Principal(user_id="alice", session_id="s1")).session("s2") == "s1"
    assert access(ALICE).session("s2") == "s2"
    assert access(ALICE).session(None) is None


def test_what_may_be_listed_is_what_the_listing_would_show():
    policy = Policy(defaults={"GET /agents": ["agents:read"]})

    def listed(*scopes: str):
        return Access(Principal(scopes=frozenset(scopes)), Decision(), policy).listed("agents")

    assert listed("agents:read") is None
    assert listed("agents:web:read", "agents:lab:read") == {"web", "lab"}
    assert listed("config:read") == frozenset()
    assert OPEN.listed("agents") is None


def test_access_travels_with_the_request():
    scope = {"type": "http", "state": {"pool": 5}}
    before = scope["state"]
    assert access_of(scope) is OPEN
    given = access(ALICE)
    grant(scope, given)
    assert access_of(scope) is given
    assert scope["state"]["pool"] == 5
    assert scope["state"]["user_id"] == "alice"
    assert before == {"pool": 5}


@pytest.mark.parametrize("state", [{}, {"access": "root"}, {"access": {"is_admin": True}}])
def test_only_an_access_is_one(state):
    assert access_of({"state": state}) is OPEN
    assert access_of({}) is OPEN


def test_a_refusal_can_be_sent():
    decision = Decision(wanted=("a:b", "c:d"), missing=("c:d",), rule="GET /x", layer="operator")
    error = AccessDeniedError("No.", code="missing_scope", decision=decision)
    assert json.loads(json.dumps(error.body())) == {
        "detail": "No.",
        "code": "missing_scope",
        "missing": ["c:d"],
        "rule": "GET /x",
        "decision_id": error.decision_id,
    }
    assert error.headers() == {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="a:b c:d"'}


@pytest.mark.parametrize("scope", ['agents:a"b:run', "agents:a\\b:run", "agents:№:run"])
def test_a_scope_that_a_header_cant_hold_is_left_out(scope):
    error = AccessDeniedError("No.", code="missing_scope", decision=Decision(wanted=(scope,)))
    assert error.headers() == {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


@pytest.mark.parametrize("text", ["", 'a "quoted" word', "back\\slash", "line\nbreak", "№"])
def test_a_challenge_never_breaks_the_header(text):
    whole = challenge("invalid_token", error_description="plain", scope="a:b")
    assert whole == {
        "WWW-Authenticate": 'Bearer error="invalid_token", error_description="plain", scope="a:b"'
    }
    assert challenge("invalid_token", error_description=text) == {
        "WWW-Authenticate": 'Bearer error="invalid_token"'
    }
