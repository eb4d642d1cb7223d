"""Lists every route of an app with the rules that decide about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal

from agentos.os.policy.policy import Decision, Policy
from agentos.os.policy.rules import METHODS, Layer, Rule

RouteKind = Literal["http", "websocket", "mount"]
Needs = Literal["nothing", "token", "scopes", "admin"]

NOTHING_HELD: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Route:
    """A route of an app, in the syntax of scope maps."""

    path: str
    methods: tuple[str, ...]
    """`*` stands for any. HEAD and OPTIONS have no rules of their own and are left out."""
    kind: RouteKind = "http"

    @property
    def requests(self) -> tuple[str, ...]:
        """One entry per method."""
        return METHODS if "*" in self.methods else self.methods


@dataclass(frozen=True, slots=True)
class Row:
    """One route, or the part of it to which a separate rule applies."""

    method: str
    path: str
    """The route's path, with a rule's literals in place of its wildcards."""
    kind: RouteKind
    decision: Decision
    """The decision about a caller without scopes."""
    needs: Needs


def _needs(policy: Policy, decision: Decision) -> Needs:
    match decision.reason:
        case "public" | "preflight":
            return "nothing"
        case "missing_scope" if decision.wanted != (policy.admin_scope,):
            return "scopes"
        case "missing_scope" | "no_rule" | "bad_path":
            return "admin"
        case "any_token" | "unmapped" | "granted" | "admin":
            return "token"


def rows(policy: Policy, routes: Sequence[Route]) -> list[Row]:
    """One row per route and deciding rule, in the order of the routes."""
    return [row for route in routes for method in route.requests for row in _rows_of(policy, route, method)]


def _rows_of(policy: Policy, route: Route, method: str) -> list[Row]:
    found: dict[tuple[str | None, str | None], Row] = {}
    for path in _paths(policy, route, method):
        decision = policy.decide(NOTHING_HELD, method, path)
        row = Row(method, path, route.kind, decision, _needs(policy, decision))
        found.setdefault((decision.layer, decision.rule), row)
    return list(found.values())


def deciding(policy: Policy, rule: Rule, routes: Sequence[Route]) -> set[tuple[str | None, str | None]]:
    """The layers and keys that decide about the requests of the routes that match `rule`.

    Empty if it matches none. If the rule itself isn't included, it never decides.
    """
    longest = _longest(policy, *(as_rule(route.path) for route in routes))
    found: set[tuple[str | None, str | None]] = set()
    for route in routes:
        for method in route.requests:
            if rule.method in {method, "*"}:
                for path in common_paths(as_rule(route.path), rule, longest):
                    decision = policy.decide(NOTHING_HELD, method, path)
                    found.add((decision.layer, decision.rule))
    return found


def _paths(policy: Policy, route: Route, method: str) -> Iterator[str]:
    """Paths of the route, including one for each rule that could decide about any."""
    pattern = as_rule(route.path)
    longest = _longest(policy, pattern)
    for rule in chain((pattern,), *(layer.rules for layer in (policy.public, *policy.layers))):
        if rule.method in {method, "*"}:
            yield from common_paths(pattern, rule, longest)


def _longest(policy: Policy, *patterns: Rule) -> int:
    """A path length at which every open end has started."""
    layers = (policy.public, *policy.layers)
    return 1 + max(len(rule.segments) for rule in chain(patterns, *(layer.rules for layer in layers)))


@lru_cache(maxsize=1024)
def as_rule(path: str) -> Rule:
    """The pattern as a rule without scopes."""
    return Layer("route", {f"* {path}": ()}).rules[0]


def common_paths(one: Rule, other: Rule, longest: int) -> Iterator[str]:
    """Paths that both patterns match, the most general of each length up to `longest`.

    Where neither has a literal, the path contains the first pattern's wildcard, which no rule matches as a
    literal.
    """
    names = one.key.split("/")[1:]
    for length in range(max(len(one.segments), len(other.segments)), longest + 1):
        parts: list[str] = []
        for mine, its in zip(_stretched(one, length), _stretched(other, length), strict=False):
            if mine is not None and its is not None and mine != its:
                return
            parts.append(mine or its or (names[len(parts)] if len(parts) < len(names) else "*"))
        if len(parts) < length:
            return
        yield "/" + "/".join(parts)


def _stretched(rule: Rule, length: int) -> tuple[str | None, ...]:
    extra = length - len(rule.segments)
    return rule.segments + (None,) * extra if rule.is_open else rule.segments
