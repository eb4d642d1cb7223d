"""Shadow mode: live requests judged by a second map too, which decides nothing and is only counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal

from agentos.os.policy.policy import Decision, Policy

Direction = Literal["newly_allowed", "newly_denied"]

MAX_CHANGES: Final = 1000
"""Rules and routes that are told apart; what differs beyond them is counted together."""
MAX_EXAMPLES: Final = 5
MAX_SCOPES: Final = 20
"""Of one example."""
_SHOWN: Final = 100
"""Characters of one scope."""


@dataclass(slots=True)
class Change:
    """One route where the second map answers otherwise than the map in force."""

    direction: Direction
    method: str
    route: str
    rule: str | None
    """The second map's entry, or the default's; None if nothing speaks about the route."""
    missing: tuple[str, ...]
    last_seen: datetime
    count: int = 0
    examples: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    """Scopes that callers held; none for a caller that needs no token now."""


class Shadow:
    """What a policy would change, counted in this process since it started."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.since = datetime.now(UTC)
        self.uncounted = 0
        """Differences that there was no room to tell apart."""
        self._changes: dict[tuple[Direction, str, str, str | None, tuple[str, ...]], Change] = {}

    @property
    def changes(self) -> list[Change]:
        """The most frequent first."""
        ordered = sorted(self._changes.values(), key=lambda change: -change.count)
        return [replace(change, examples=list(change.examples)) for change in ordered]

    def judge(self, scopes: frozenset[str] | None, method: str, path: str) -> Decision:
        """The second map's answer; `scopes` are None where the map in force asks for no token."""
        if scopes is not None:
            return self.policy.decide(scopes, method, path)
        opened = self.policy.open_to_all(method, path)
        return opened or replace(self.policy.decide(frozenset(), method, path), allowed=False)

    def count(self, decision: Decision, scopes: Iterable[str], method: str, route: str) -> None:
        """Counts an answer that differs from the one that was given."""
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
