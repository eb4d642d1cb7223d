"""Shadow mode: evaluates live requests against a second map, without enforcing it, and counts differences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal

from agentos.os.policy.policy import Decision, Policy

Direction = Literal["newly_allowed", "newly_denied"]

MAX_CHANGES: Final = 1000
"""Rules and routes that are counted separately; further differences are counted together."""
MAX_EXAMPLES: Final = 5
MAX_SCOPES: Final = 20
"""Scopes in one example."""
_SHOWN: Final = 100
"""Characters of one scope."""


@dataclass(slots=True)
class Change:
    """A route on which the shadow map decides differently."""

    direction: Direction
    method: str
    route: str
    rule: str | None
    """The shadow map's entry, or the default's; None if no rule matches the route."""
    missing: tuple[str, ...]
    last_seen: datetime
    count: int = 0
    examples: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    """Scopes that callers held; empty for requests that currently need no token."""


class Shadow:
    """The effect of a shadow map, counted in this process since it started."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.since = datetime.now(UTC)
        self.uncounted = 0
        """Differences beyond the number that is tracked by route."""
        self._changes: dict[tuple[Direction, str, str, str | None, tuple[str, ...]], Change] = {}

    @property
    def changes(self) -> list[Change]:
        """Most frequent first."""
        ordered = sorted(self._changes.values(), key=lambda change: -change.count)
        return [replace(change, examples=list(change.examples)) for change in ordered]

    def judge(self, scopes: frozenset[str] | None, method: str, path: str) -> Decision:
        """The shadow map's decision. `scopes` is None if the enforced map requires no token."""
        if scopes is not None:
            return self.policy.decide(scopes, method, path)
        opened = self.policy.open_to_all(method, path)
        return opened or replace(self.policy.decide(frozenset(), method, path), allowed=False)

    def count(self, decision: Decision, scopes: Iterable[str], method: str, route: str) -> None:
        """Counts a decision that differs from the enforced one."""
        direction = "newly_allowed" if decision.allowed else "newly_denied"
        key = (direction, method, route, decision.rule, decision.missing)
        if key not in self._changes and len(self._changes) >= MAX_CHANGES:
            self.uncounted += 1
            return
        now = datetime.now(UTC)
        change = self._changes.setdefault(
            key, Change(direction, method, route, decision.rule, decision.missing, now)
        )
        change.count += 1
        change.last_seen = now
        example = tuple(scope[:_SHOWN] for scope in sorted(scopes)[:MAX_SCOPES])
        if example not in change.examples and len(change.examples) < MAX_EXAMPLES:
            change.examples.append(example)
