"""Decisions, the scope map, and the effect of a shadow map, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agentos.os.api.schemas.pages import Utc
from agentos.os.api_model import ApiModel
from agentos.os.auth.explain import Explanation, WhoseRows, sentence
from agentos.os.http.lookup import Found
from agentos.os.policy.matrix import Row
from agentos.os.policy.policy import Reason
from agentos.os.policy.shadow import Change, Direction, Shadow


class ExplanationResponse(ApiModel):
    """One decision with all its inputs."""

    allowed: bool
    """Whether the request passes authentication and authorization (401 and 403)."""
    code: Reason | Literal["no_identity"]
    """The reason: the code of a 403, or what granted the request."""
    detail: str
    """The reason as a sentence."""
    layer: str | None
    """The map that contains the rule: `operator`, `default` or `public`."""
    rule: str | None
    """The deciding entry, exactly as written."""
    rank: int | None
    """Rank of the entry in its map; 0 is the most specific."""
    wanted: list[str]
    """The scopes that the rule requires; all of them are needed."""
    held: list[str]
    """The caller's scopes that satisfied a required one."""
    missing: list[str]
    """The scopes that would turn the denial into a grant."""
    ids: list[str] | None
    """The only ids that a listing shows; null if it isn't restricted."""
    rows: WhoseRows | None
    """Whose rows the request accesses; null if rows have no owner, or on a route of your own."""
    route: str | None
    """The route that serves the path; null if there is none and the response is 404 or 405."""

    @classmethod
    def of(cls, explanation: Explanation, method: str, found: Found) -> ExplanationResponse:
        """As JSON, in words too."""
        decision = explanation.decision
        return cls(
            allowed=explanation.allowed,
            code=explanation.code,
            detail=_detail(explanation, method, found.pattern),
            layer=decision.layer,
            rule=decision.rule,
            rank=decision.rank,
            wanted=list(decision.wanted),
            held=list(decision.held),
            missing=list(decision.missing),
            ids=None if decision.ids is None else sorted(decision.ids),
            rows=explanation.rows,
            route=found.pattern if found.is_full else None,
        )


def _detail(explanation: Explanation, method: str, pattern: str) -> str:
    match explanation.code:
        case "no_identity":
            return "The token names no user (sub), and these rows have owners."
        case "bad_path":
            return "No route has a path that is spelled like this."
        case "public" | "preflight":
            return "Needs no token."
        case "admin":
            return "The admin scope passes everywhere."
        case "any_token":
            return "Any valid token will do."
        case "unmapped":
            return "No rule covers this route, and what no rule covers is open to any valid token."
        case "granted":
            return f"Granted by {', '.join(explanation.decision.held)}."
        case "no_rule" | "missing_scope":
            return sentence(explanation.decision, method, pattern)


class MatrixRow(ApiModel):
    """One route, or the part of it to which a separate rule applies."""

    method: str
    """The method."""
    path: str
    """The route's path, with the literals of a rule in place of its wildcards."""
    kind: Literal["http", "websocket", "mount"]
    """What serves the route."""
    needs: Literal["nothing", "token", "scopes", "admin"]
    """What a caller needs."""
    scopes: list[str]
    """The required scopes; all of them are needed."""
    layer: str | None
    """The map that contains the rule: `operator`, `default` or `public`."""
    rule: str | None
    """The deciding entry; null: no rule covers the route."""

    @classmethod
    def of(cls, row: Row) -> MatrixRow:
        """As JSON."""
        return cls(
            method=row.method,
            path=row.path,
            kind=row.kind,
            needs=row.needs,
            scopes=list(row.decision.wanted),
            layer=row.decision.layer,
            rule=row.decision.rule,
        )


class ChangeResponse(ApiModel):
    """A route on which the shadow map decides differently."""

    direction: Direction
    """What the shadow map would do."""
    method: str
    """The method."""
    route: str
    """The route in the syntax of scope maps."""
    rule: str | None
    """The deciding entry of the shadow map; null if there is none."""
    missing: list[str]
    """The scopes that callers lacked."""
    count: int
    """Number of requests."""
    last_seen: Utc
    """Time of the last such request."""
    examples: list[list[str]]
    """A few examples of scopes that callers held; never tokens or names."""


class ShadowResponse(ApiModel):
    """What the shadow map would change, as counted by this process since it started."""

    enabled: bool
    """Whether there is a shadow map."""
    since: Utc | None = None
    """Start of the counting."""
    newly_allowed: int = 0
    """Number of requests that only the shadow map would allow."""
    newly_denied: int = 0
    """Number of requests that only the shadow map would deny."""
    uncounted: int = 0
    """Differences beyond the number that is tracked by route; included in neither sum."""
    changes: list[ChangeResponse] = Field(default_factory=list[ChangeResponse])
    """Changes by route, most frequent first."""

    @classmethod
    def of(cls, shadow: Shadow | None) -> ShadowResponse:
        """As JSON; without a second map it says so."""
        if shadow is None:
            return cls(enabled=False)
        changes = shadow.changes
        return cls(
            enabled=True,
            since=shadow.since,
            newly_allowed=_sum(changes, "newly_allowed"),
            newly_denied=_sum(changes, "newly_denied"),
            uncounted=shadow.uncounted,
            changes=[_change(change) for change in changes],
        )


def _sum(changes: list[Change], direction: Direction) -> int:
    return sum(change.count for change in changes if change.direction == direction)


def _change(change: Change) -> ChangeResponse:
    return ChangeResponse(
        direction=change.direction,
        method=change.method,
        route=change.route,
        rule=change.rule,
        missing=list(change.missing),
        count=change.count,
        last_seen=change.last_seen,
        examples=[list(example) for example in change.examples],
    )
