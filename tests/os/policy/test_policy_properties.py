"""What holds for every map, caller and request."""

from itertools import pairwise, permutations

from hypothesis import example, given
from hypothesis import strategies as st

from agentos.os.policy.default_scopes import default_scopes
from agentos.os.policy.policy import ADMIN_SCOPE, Policy
from agentos.os.policy.rules import Layer, split

DEFAULT_SCOPES = default_scopes(["agents"])

NAMES = ["agents", "teams", "web", "runs", "x"]
WORDS = st.sampled_from(NAMES)
METHODS = st.sampled_from(["GET", "POST", "*"])
PARTS = st.lists(st.sampled_from([*NAMES, "*", "{id}"]), max_size=4)
KEYS = st.builds(lambda method, parts: f"{method} /{'/'.join(parts)}", METHODS, PARTS)
SCOPES = st.one_of(
    st.builds("{}:{}".format, WORDS, st.sampled_from(["read", "run"])),
    st.builds("{}:{}:{}".format, WORDS, st.sampled_from(["web", "x", "*"]), st.sampled_from(["read", "run"])),
)
PATHS = st.builds(lambda parts: "/" + "/".join(parts), st.lists(WORDS, max_size=5))
REQUESTS = st.tuples(st.sampled_from(["GET", "HEAD", "POST", "PUT"]), PATHS)
HELD = st.frozensets(SCOPES, max_size=4)


def shape(key: str) -> tuple[str, ...]:
    """What two keys for the same requests have in common."""
    method, path = key.split(" ")
    *parts, last = path.split("/")
    return (method, *("*" if part == "{id}" else part for part in parts), last)


MAPS = st.lists(KEYS, max_size=6, unique_by=shape).flatmap(
    lambda keys: st.fixed_dictionaries({key: st.lists(SCOPES, max_size=3) for key in keys})
)


def matches(pattern: str, path: str) -> bool:
    """The pattern language, written as naively as it reads."""
    wanted = [part for part in pattern.split("/") if part]
    given_ = [part for part in path.split("/") if part]
    if wanted and wanted[-1] == "*":
        if len(given_) < len(wanted):
            return False
        wanted, given_ = wanted[:-1], given_[: len(wanted) - 1]
    return len(wanted) == len(given_) and all(
        want in {"*", "{id}"} or want == have for want, have in zip(wanted, given_, strict=True)
    )


@given(KEYS, REQUESTS)
def test_a_pattern_matches_as_it_reads(key, request):
    path = request[1]
    pattern = key.split(" ")[1]
    rule = Layer("operator", {key: []}).rules[0]
    assert rule.matches(split(path)) is matches(pattern, path)


@given(st.lists(KEYS, max_size=5, unique_by=shape), REQUESTS)
def test_the_order_of_the_map_never_matters(keys, request):
    method, path = request
    found = {
        rule.key if (rule := Layer("operator", dict.fromkeys(order, ())).find(method, split(path))) else None
        for order in permutations(keys)
    }
    assert len(found) == 1


@given(st.lists(KEYS, max_size=8, unique_by=shape))
def test_specificity_is_a_total_order(keys):
    rules = Layer("operator", dict.fromkeys(keys, ())).rules
    assert [rule.rank for rule in rules] == list(range(len(keys)))
    assert all(before.order < after.order for before, after in pairwise(rules))


@given(KEYS, KEYS, REQUESTS)
@example("GET /web", "POST /*", ("POST", "/web"))
def test_of_two_that_match_the_one_with_the_earlier_literal_decides(one, other, request):
    method, path = request
    if shape(one) == shape(other):
        return
    if not all(Layer("operator", {key: ()}).find(method, split(path)) for key in (one, other)):
        return
    rule = Layer("operator", {one: (), other: ()}).find(method, split(path))
    assert rule is not None
    loser = other if rule.key == one else one
    for mine, theirs in zip(rule.key.split(" ")[1].split("/"), loser.split(" ")[1].split("/"), strict=False):
        is_literal, was_literal = mine not in {"*", "{id}"}, theirs not in {"*", "{id}"}
        if is_literal != was_literal:
            assert is_literal
            return


@given(MAPS, HELD, REQUESTS)
@example({"GET /teams": ["teams:read", "teams:web:read"]}, frozenset(), ("GET", "/teams"))
@example({"GET /teams/web": ["teams:read", "teams:*:read"]}, frozenset(), ("GET", "/teams/web"))
def test_adding_exactly_what_is_missing_turns_the_denial_into_a_grant(scope_map, held, request):
    policy = Policy(operator=scope_map, defaults=DEFAULT_SCOPES)
    decision = policy.decide(held, *request)
    if decision.reason == "missing_scope":
        assert decision.missing
        assert policy.decide(held | set(decision.missing), *request).allowed
        for one in decision.missing:
            assert not policy.decide(held | set(decision.missing) - {one}, *request).allowed


@given(MAPS, HELD, REQUESTS)
def test_the_admin_scope_passes_every_map(scope_map, held, request):
    policy = Policy(operator=scope_map, defaults=DEFAULT_SCOPES)
    assert policy.decide(held | {ADMIN_SCOPE}, *request).allowed


@given(MAPS, HELD, HELD, REQUESTS)
def test_holding_more_never_takes_away(scope_map, held, more, request):
    policy = Policy(operator=scope_map, defaults=DEFAULT_SCOPES)
    if policy.decide(held, *request).allowed:
        assert policy.decide(held | more, *request).allowed


@given(MAPS, HELD, REQUESTS)
def test_a_trailing_slash_is_nothing(scope_map, held, request):
    method, path = request
    policy = Policy(operator=scope_map, defaults=DEFAULT_SCOPES)
    if path != "/":
        assert policy.decide(held, method, f"{path}/") == policy.decide(held, method, path)


@given(HELD, st.text(max_size=30))
def test_any_text_gets_an_answer(held, path):
    Policy(operator={"GET /x/*": ["a:b"]}, defaults=DEFAULT_SCOPES).decide(held, "GET", path)


@given(st.lists(st.sampled_from(["agents", "web", "", ".", "..", "a\n", "é"]), max_size=5))
def test_a_split_path_never_holds_an_odd_segment(parts):
    segments = split("/" + "/".join(parts))
    assert segments is None or not {"", ".", "..", "a\n"} & set(segments)
