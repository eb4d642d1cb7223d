"""Explains a decision: the request, the deciding rule, and what would allow it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from agentos.kinds import FAMILIES
from agentos.os.policy.default_scopes import owned_routes
from agentos.os.policy.policy import Decision, Reason
from agentos.os.policy.rules import METHODS, Layer, split
from agentos.os.principal import NOBODY, Access, AccessDeniedError
from agentos.run.owner import ANYONE

WhoseRows = Literal["own", "everyone"]

_READS = frozenset({"GET", "HEAD", "QUERY"})


@dataclass(frozen=True, slots=True)
class Explanation:
    """The response that a caller would get, and why."""

    allowed: bool
    code: Reason | Literal["no_identity"]
    decision: Decision
    rows: WhoseRows | None
    """Whose rows the request may access; None if rows have no owner, or on a route of the user's own."""


def explain(
    access: Access, method: str, path: str, *, is_ours: bool = True, is_foreign: bool = False
) -> Explanation:
    """Explains the response for the caller of `access` to `method` on `path`.

    `is_ours`: a route of AgentOS serves it; `is_foreign`: a route of the app that AgentOS was added to does.
    `allowed` is the actual outcome: neither 401 nor 403, whether from the policy or for lack of an identity.
    """
    method = "GET" if method == "OPTIONS" else method  # as it is judged, unless it is a CORS preflight
    decision = access.policy.decide(access.principal.scopes, method, path, is_narrowed=not is_foreign)
    segments = split(path)
    is_owned = (
        is_ours
        and segments is not None
        and _owned(frozenset(FAMILIES)).find("GET" if method == "HEAD" else method, segments) is not None
    )
    if not (decision.allowed and is_owned):
        return Explanation(decision.allowed, decision.reason, decision, None)
    if decision.reason == "public":
        access = replace(access, principal=NOBODY)  # nobody reads a token there
    try:
        owner = access.owner(write=method not in _READS)
    except AccessDeniedError:
        return Explanation(False, "no_identity", decision, None)
    return Explanation(True, decision.reason, decision, "everyone" if owner is ANYONE else "own")


def sentence(decision: Decision, method: str, pattern: str) -> str:
    """What a denied caller or the operator must do. `pattern` is the route's path."""
    if decision.reason == "no_rule":
        line = f'"{method if method in METHODS else "*"} {pattern}": ["resource:action"]'
        return f"No rule covers this route: add {line} to scope_mappings."
    return f"Required scope(s): {', '.join(decision.wanted)}"


@cache
def _owned(families: frozenset[str]) -> Layer:
    return Layer("owned", dict.fromkeys(owned_routes(families), ()))
