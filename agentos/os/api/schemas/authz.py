"""Decisions, the map and what another map would change, as JSON."""

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

LayerName = Literal["operator", "default", "public"]


class ExplanationResponse(ApiModel):
    """One decision, with everything that it was made of."""

    allowed: bool
    """Whether the request gets past 401 and 403."""
    code: Reason | Literal["no_identity"]
    """Why: as the code of a 403, or what granted it."""
    detail: str
    """Why, as a sentence."""
    layer: str | None
    """`operator`, `default` or `public`: which map the rule is from."""
    rule: str | None
    """The deciding entry, as it was written."""
    rank: int | None
    """Its place among its map's entries, the most specific being 0."""
    wanted: list[str]
    """The scopes that the rule wants, all of them."""
    held: list[str]
    """The caller's scopes that met a wanted one."""
    missing: list[str]
    """Holding these too would turn the denial into a grant."""
    ids: list[str] | None
    """A listing shows these ids only; null: it isn't narrowed."""
    rows: WhoseRows | None
    """Whose rows the request touches; null where rows have no owner, or on a route of the app's own."""
    route: str | None
    """The route that serves the path; null: there is none, and the answer is 404 (or 405)."""

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
    """One route, or the part of it that a rule of its own speaks about."""

    method: str
    """The method."""
    path: str
    """The route's path, with a rule's literals in place of its wildcards."""
    kind: Literal["http", "websocket", "mount"]
    """What serves it."""
    needs: Literal["nothing", "token", "scopes", "admin"]
    """What a caller must have."""
    scopes: list[str]
    """The scopes that are needed, all of them."""
    layer: str | None
    """`operator`, `default` or `public`: which map the rule is from."""
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
    """A route where the second map answers otherwise."""

    direction: Direction
    """What the second map would do."""
    method: str
    """The method."""
    route: str
    """The route, in the language of scope maps."""
    rule: str | None
    """The entry that speaks for the second map; null: none does."""
    missing: list[str]
    """The scopes that callers lacked for it."""
    count: int
    """How many requests."""
    last_seen: Utc
    """When the last of them came."""
    examples: list[list[str]]
    """Scopes that callers held: a few of the sets, never tokens or names."""


class ShadowResponse(ApiModel):
    """What the second map would change, as this process has seen since it started."""

    enabled: bool
    """Whether there is a second map."""
    since: Utc | None = None
    """When counting began."""
    newly_allowed: int = 0
    """Requests that only the second map would allow."""
    newly_denied: int = 0
    """Requests that only the second map would deny."""
    uncounted: int = 0
    """Differences that there was no room to tell apart; they are in neither sum."""
    changes: list[ChangeResponse] = Field(default_factory=list[ChangeResponse])
    """Route by route, the most frequent first."""

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
