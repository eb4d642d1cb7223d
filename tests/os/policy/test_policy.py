"""The policy as a table: what is asked, what is held, what comes of it and why."""

import pytest

from agentos.errors import ConfigurationError
from agentos.os.policy.default_scopes import PUBLIC_PATHS, default_scopes
from agentos.os.policy.policy import Decision, Policy

DEFAULT_SCOPES = default_scopes(["agents"])

EXAMPLE = {
    "GET /agents": ["app:read"],
    "GET /agents/*": ["app:read"],
    "POST /agents/*/runs": ["app:run", "app:execute"],
    "GET /sessions": ["app:admin"],
    "GET /sessions/*": ["app:read", "sessions:read"],
    "GET /memories": ["memory:admin"],
    "POST /memories": ["memory:write"],
    "GET /config": ["app:admin"],
}

DEFAULTS_ONLY = Policy(defaults=DEFAULT_SCOPES, public=PUBLIC_PATHS)
CUSTOM = Policy(operator=EXAMPLE, defaults=DEFAULT_SCOPES, public=PUBLIC_PATHS, admin_scope="app:superadmin")


def decide(policy: Policy, scopes: str, request: str) -> Decision:
    method, path = request.split(" ")
    return policy.decide(frozenset(scopes.split()), method, path)


def test_the_zero_value_is_a_denial():
    assert Decision().allowed is False


@pytest.mark.parametrize(
    ("scopes", "request_", "reason"),
    [
        ("app:read", "GET /agents", "granted"),
        ("agents:read", "GET /agents", "missing_scope"),
        ("app:read", "GET /agents/research-agent", "granted"),
        ("", "GET /agents/research-agent", "missing_scope"),
        ("app:read", "GET /agents/web/runs/r1", "granted"),
        ("app:run app:execute", "POST /agents/web/runs", "granted"),
        ("app:run", "POST /agents/web/runs", "missing_scope"),
        ("app:execute", "POST /agents/web/runs", "missing_scope"),
        ("agents:run", "POST /agents/web/runs", "missing_scope"),
        ("app:admin", "GET /sessions", "granted"),
        ("app:read", "GET /sessions", "missing_scope"),
        ("app:read sessions:read", "GET /sessions/x", "granted"),
        ("app:read", "GET /sessions/x", "missing_scope"),
        ("memory:admin", "GET /memories", "granted"),
        ("memories:read", "GET /memories", "missing_scope"),
        ("memories:read", "GET /memories/m1", "granted"),
        ("app:superadmin", "GET /config", "admin"),
        ("app:superadmin", "GET /nowhere", "admin"),
        ("agent_os:admin", "GET /config", "missing_scope"),
        ("", "GET /health", "public"),
        ("", "HEAD /health", "public"),
        ("", "POST /health", "no_rule"),
        ("", "OPTIONS /config", "preflight"),
        ("app:read", "HEAD /agents", "granted"),
        ("", "HEAD /agents", "missing_scope"),
        ("app:read", "PURGE /agents", "no_rule"),
    ],
)
def test_a_custom_entry_owns_its_route_and_the_defaults_hold_elsewhere(scopes, request_, reason):
    decision = decide(CUSTOM, scopes, request_)
    assert decision.reason == reason
    assert decision.allowed is (reason in {"granted", "admin", "public", "preflight"})


@pytest.mark.parametrize(
    ("scopes", "request_", "is_allowed"),
    [
        ("agents:run", "POST /agents/web/runs", True),
        ("agents:web:run", "POST /agents/web/runs", True),
        ("agents:*:run", "POST /agents/web/runs", True),
        ("agents:other:run", "POST /agents/web/runs", False),
        ("agents:web:read", "POST /agents/web/runs", False),
        ("teams:web:run", "POST /agents/web/runs", False),
        ("agents:web:run", "POST /agents/web/runs/", True),
        ("Agents:run", "POST /agents/web/runs", False),
        ("agents:RUN", "POST /agents/web/runs", False),
        ("agents:*", "GET /agents", False),
        ("*:read", "GET /agents", False),
        ("*", "GET /agents", False),
        ("*:*", "GET /agents", False),
        ("agents:*:*", "GET /agents", False),
        ("agents", "GET /agents", False),
        ("agents:", "GET /agents", False),
        (":read", "GET /agents", False),
        ("agents::read", "GET /agents", False),
        ("agents:web:x:read", "GET /agents/web", False),
        ("agents:web*:read", "GET /agents/web", False),
        ("agents:a:b:read", "GET /agents/a:b", False),
        ("agents:read", "GET /agents/a:b", True),
        ("sessions:*:read", "GET /sessions", True),
        ("sessions:s1:read", "GET /sessions/s1", False),
        ("memories:*:read", "GET /memory_topics", True),
        ("memories:m1:read", "GET /memory_topics", False),
        ("config:read", "GET /config", True),
        ("system:read", "GET /config", True),
        ("system:write", "GET /config", False),
        ("system:*:read", "GET /config", False),
        ("", "GET /config", False),
        ("", "GET /info", True),
    ],
)
def test_scopes_for_one_id_or_all_ids(scopes, request_, is_allowed):
    assert decide(DEFAULTS_ONLY, scopes, request_).allowed is is_allowed


def test_an_old_word_stands_for_a_default_scope_only():
    custom = Policy(operator={"GET /config": ["config:read"]}, defaults=DEFAULT_SCOPES, public=PUBLIC_PATHS)
    assert not decide(custom, "system:read", "GET /config").allowed
    assert decide(custom, "config:read", "GET /config").allowed


@pytest.mark.parametrize(
    ("scopes", "ids"),
    [
        ("agents:read", None),
        ("agents:*:read", None),
        ("agents:web:read agents:read", None),
        ("agents:web:read", {"web"}),
        ("agents:web:read agents:my agent:read agents:other:run", {"web"}),
        ("agents:web:read agents:lab:read", {"web", "lab"}),
    ],
)
def test_a_listing_held_per_id_shows_those_ids(scopes, ids):
    decision = decide(DEFAULTS_ONLY, scopes, "GET /agents")
    assert decision.allowed
    assert decision.ids == ids


def test_ids_may_hold_any_character_but_a_colon():
    scopes = frozenset({"agents:my agent/№ 1:read"})
    assert DEFAULTS_ONLY.decide(scopes, "GET", "/agents").ids == {"my agent/№ 1"}


@pytest.mark.parametrize("scopes", ["", "agents:web:run", "agents::read", "agents:a:b:read"])
def test_a_listing_held_for_no_id_is_denied(scopes):
    assert decide(DEFAULTS_ONLY, scopes, "GET /agents").missing == ("agents:read",)


def test_only_a_listing_is_narrowed():
    policy = Policy(operator={"POST /agents": ["agents:write"], "GET /agents/all": ["agents:read"]})
    assert not decide(policy, "agents:web:write", "POST /agents").allowed
    assert decide(policy, "agents:write", "POST /agents").allowed
    assert not decide(policy, "agents:web:read", "GET /agents/all").allowed
    assert decide(policy, "agents:all:read", "GET /agents/all").ids is None


def test_a_scope_of_another_family_is_met_by_itself_only():
    policy = Policy(operator={"GET /agents": ["app:read"], "GET /sessions": ["agents:read"]})
    assert decide(policy, "app:read", "GET /agents").ids is None
    assert not decide(policy, "app:*:read", "GET /agents").allowed
    assert not decide(policy, "app:web:read", "GET /agents").allowed
    assert not decide(policy, "agents:*:read", "GET /sessions").allowed
    assert decide(policy, "agents:read", "GET /sessions").allowed


def test_a_custom_entry_in_the_familys_words_is_met_per_id_too():
    policy = Policy(operator={"POST /agents/*/runs": ["agents:run"], "GET /agents": ["agents:read"]})
    assert decide(policy, "agents:web:run", "POST /agents/web/runs").allowed
    assert not decide(policy, "agents:lab:run", "POST /agents/web/runs").allowed
    assert decide(policy, "agents:web:read", "GET /agents").ids == {"web"}


def test_a_wanted_id_is_met_by_all_ids_in_its_family():
    policy = Policy(operator={"POST /agents/web/runs": ["agents:web:run"], "GET /x": ["agents:web:run"]})
    for held in ("agents:web:run", "agents:*:run", "agents:run"):
        assert decide(policy, held, "POST /agents/web/runs").allowed
    assert not decide(policy, "agents:lab:run", "POST /agents/web/runs").allowed
    assert not decide(policy, "agents:run", "GET /x").allowed


def test_whoever_may_start_a_run_may_follow_it():
    for scopes, policy in (("agents:run", DEFAULTS_ONLY), ("agents:web:run", DEFAULTS_ONLY)):
        assert decide(policy, scopes, "GET /agents/web/runs/r1").allowed
        assert decide(policy, scopes, "GET /agents/web/runs/r1/events").allowed
    policy = Policy(operator={"POST /agents/*/runs": ["app:run"]}, defaults=DEFAULT_SCOPES)
    assert decide(policy, "app:run", "GET /agents/web/runs/r1/events").rule == "POST /agents/*/runs"
    assert decide(policy, "app:run", "GET /agents/web/runs/r1/events").allowed
    assert not decide(policy, "agents:run", "GET /agents/web/runs/r1/events").allowed
    assert not decide(DEFAULTS_ONLY, "agents:read", "GET /agents/web/runs/r1").allowed


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        ("GET /a/b", "GET /a/b"),
        ("POST /a/b", "* /a/b"),
        ("GET /a/c", "GET /a/{id}"),
        ("GET /a/c/d", "GET /a/*"),
        ("GET /a/c/last", "GET /a/*/last"),
        ("GET /a/b/last", "GET /a/b/*"),
        ("GET /a/b/c/d", "GET /a/b/*"),
        ("GET /z", "* /*"),
        ("GET /", "GET /"),
        ("POST /", None),
    ],
)
def test_the_most_specific_pattern_decides_whatever_the_order(request_, rule):
    keys = ["* /*", "GET /a/*", "GET /a/{id}", "GET /a/*/last", "GET /a/b/*", "* /a/b", "GET /a/b", "GET /"]
    for ordered in (keys, keys[::-1]):
        assert decide(Policy(operator={key: [] for key in ordered}), "", request_).rule == rule


def test_a_final_wildcard_takes_one_segment_or_more_and_a_name_exactly_one():
    policy = Policy(operator={"GET /many/*": [], "GET /one/{id}": []})
    assert [decide(policy, "", f"GET /many{rest}").allowed for rest in ("", "/a", "/a/b")] == [
        False,
        True,
        True,
    ]
    assert [decide(policy, "", f"GET /one{rest}").allowed for rest in ("", "/a", "/a/b")] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "path",
    ["//agents", "/agents//", "/agents//web", "/agents/.", "/agents/..", "/agents/../config", "/./agents",
     "agents", "/agents\n", "/agents/web\x00", "/agents/\x7f", "/agents/\ud800", "http://host/agents",
     "/files/..\\secret", "/agents\\web"],
)  # fmt: skip
def test_odd_spellings_are_nobodys_not_even_the_admins(path):
    policies = [
        Policy(operator={"* /*": [], "GET /": []}, public=("/*",), unmapped="allow"),
        Policy(unmapped="allow"),
        CUSTOM,
    ]
    for policy in policies:
        decision = policy.decide(frozenset({policy.admin_scope, "app:read"}), "GET", path)
        assert decision == Decision(reason="bad_path")
        assert policy.open_to_all("GET", path) is None


@pytest.mark.parametrize(
    "path", ["/agents/...", "/agents/.hidden", "/agents/a..b", "/agents/ü x", "/agents/a;b"]
)
def test_unusual_ids_are_ids(path):
    assert CUSTOM.decide(frozenset({"app:read"}), "GET", path).allowed


def test_unmapped_requests_can_be_let_through():
    lenient = Policy(operator={"GET /x": ["a:b"]}, unmapped="allow")
    assert decide(lenient, "", "GET /y").reason == "unmapped"
    assert decide(lenient, "", "GET /y").allowed
    assert not decide(lenient, "", "GET /x").allowed
    assert not decide(Policy(operator={"GET /x": ["a:b"]}), "", "GET /y").allowed


def test_an_empty_list_wants_any_token():
    policy = Policy(operator={"GET /config": []}, defaults=DEFAULT_SCOPES)
    assert decide(policy, "", "GET /config").reason == "any_token"
    assert policy.open_to_all("GET", "/config") is None


def test_public_paths_are_in_the_maps_language():
    policy = Policy(
        operator={"GET /hooks/secret": ["a:b"]}, defaults=DEFAULT_SCOPES, public=("/hooks/*", "POST /in")
    )
    assert policy.open_to_all("POST", "/hooks/github/push") is not None
    assert policy.open_to_all("GET", "/hooks/secret") is None
    assert policy.open_to_all("POST", "/in") is not None
    assert policy.open_to_all("GET", "/in") is None
    assert policy.open_to_all("GET", "/hooks") is None


def test_only_an_entry_as_specific_closes_a_public_path():
    assert Policy(operator={"GET /*": ["a:b"]}, public=PUBLIC_PATHS).open_to_all("GET", "/docs") is not None
    for key in ("GET /docs", "* /docs"):
        assert Policy(operator={key: ["a:b"]}, public=PUBLIC_PATHS).open_to_all("GET", "/docs") is None


def test_a_denial_explains_itself():
    decision = decide(CUSTOM, "app:run other:thing", "POST /agents/web/runs")
    assert decision == Decision(
        reason="missing_scope",
        layer="operator",
        rule="POST /agents/*/runs",
        rank=decision.rank,
        wanted=("app:run", "app:execute"),
        held=("app:run",),
        missing=("app:execute",),
    )
    assert decide(CUSTOM, "", "GET /memories/m1").layer == "default"


@pytest.mark.parametrize(
    "key",
    ["", "GET", "/agents", "GET/agents", "GET /a b", "FETCH /agents", "HEAD /agents", "OPTIONS /agents",
     "GET agents", "GET //agents", "GET /agents//x", "GET /a/../b", "GET /a/./b", "GET /web-*", "GET /a{b}",
     "GET /{}", "GET /{a b}", "GET /{p:path}", "GET /**"],
)  # fmt: skip
def test_a_key_that_cant_work_is_named(key):
    with pytest.raises(ConfigurationError) as caught:
        Policy(operator={key: ["a:b"]})
    assert repr(key) in str(caught.value)
    Policy(operator={"get  /agents/": ["a:b"], "* /x": []})


@pytest.mark.parametrize(
    "scopes",
    [
        "a:b",
        [""],
        ["a"],
        ["a:b:c:d"],
        ["a:*"],
        ["*:b"],
        ["a b:c"],
        ["a::b"],
        [":b"],
        ["a:"],
        ["a:b\n"],
        [None],
        None,
        5,
    ],
)
def test_scopes_that_nobody_could_hold_are_refused(scopes):
    with pytest.raises(ConfigurationError, match=r"GET /x"):
        Policy(operator={"GET /x": scopes})
    Policy(operator={"GET /x": ["a:b"], "GET /y": ["a:*:b"], "GET /z": ("a:i d:b",)})


def test_two_entries_for_the_same_requests_must_agree():
    with pytest.raises(ConfigurationError, match=r"keep one"):
        Policy(operator={"GET /agents/{a}/runs": ["a:b"], "GET /agents/*/runs": ["a:c"]})
    policy = Policy(operator={"GET /config": ["a:b"], "get /config/": ["a:b"]})
    assert decide(policy, "a:b", "GET /config").allowed


@pytest.mark.parametrize("parameters", [{"admin_scope": ""}, {"admin_scope": "a b"}, {"unmapped": "maybe"}])
def test_other_parameters_that_cant_work_are_refused(parameters):
    with pytest.raises(ConfigurationError, match=next(iter(parameters))):
        Policy(**parameters)
