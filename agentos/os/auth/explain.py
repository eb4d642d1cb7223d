"""A decision told to people: what was asked, what spoke about it, what would help."""

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
    """What a caller is answered, and why."""

    allowed: bool
    code: Reason | Literal["no_identity"]
    decision: Decision
    rows: WhoseRows | None
    """Whose rows the request may touch; None if it's about nobody's, or the route isn't ours to know."""


def explain(
    access: Access, method: str, path: str, *, is_ours: bool = True, is_foreign: bool = False
) -> Explanation:
    """What the caller of `access` is answered to `method` on `path`; `is_ours`: a route of AgentOS serves it.

    `is_foreign`: one of the app that AgentOS was added to does.
    `allowed` is what happens: neither 401 nor 403, from the policy or for want of an identity.
    """
    decision = access.policy.decide(access.principal.scopes, method, path, is_narrowed=not is_foreign)
    segments = split(path)
    is_owned = (
        is_ours
        and segments is not None
        and _owned(tuple(FAMILIES)).find("GET" if method == "HEAD" else method, segments) is not None
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
    """What a denied caller, or the operator, must do about it. `pattern` is the route's path."""
    if decision.reason == "no_rule":
        line = f'"{method if method in METHODS else "*"} {pattern}": ["resource:action"]'
        return f"No rule covers this route: add {line} to scope_mappings."
    return f"Required scope(s): {', '.join(decision.wanted)}"


@cache
def _owned(families: tuple[str, ...]) -> Layer:
    return Layer("owned", dict.fromkeys(owned_routes(families), ()))
