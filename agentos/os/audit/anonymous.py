"""Bounds the rows about callers without an identity, who can send any number of requests.

In each minute the first denials of an address are rows of their own. The others are counted, one row for each
address, and one for all addresses beyond a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from agentos.db.contracts.audit import AuditRecord
from agentos.errors import ConfigurationError

MAX_ADDRESSES: Final = 100
"""Addresses that are told apart in a minute."""
_MINUTE: Final = 60.0
_OTHERS: Final = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """What the audit records. How long it is kept is a matter of `Retention`."""

    anonymous_rows: int = 5
    """Rows per client address and minute about callers whose identity isn't known; more are only counted."""

    def __post_init__(self) -> None:
        if self.anonymous_rows < 0:
            raise ConfigurationError(f"audit: anonymous_rows={self.anonymous_rows} must be 0 or more.")


class AnonymousDenials:
    """The denials of the current minute by address. `rows` of each are recorded; `clock` is in seconds."""

    def __init__(self, rows: int, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._clock = clock
        self._began = clock()
        self._seen: Counter[str] = Counter()

    @property
    def seconds(self) -> float | None:
        """Seconds until denials that were only counted are due as rows; None if there are none."""
        if not self._excess():
            return None
        return max(0.0, self._began + _MINUTE - self._clock())

    def sampled(self, record: AuditRecord, address: str) -> list[AuditRecord]:
        """The rows to write because of this denial: counts of the last minute, and the record itself."""
        due = self.counted()
        if not self._seen:
            self._began = self._clock()
        known = address in self._seen or len(self._seen) < MAX_ADDRESSES
        address = address if known else _OTHERS
        self._seen[address] += 1
        return [*due, record] if self._seen[address] <= self._rows else due

    def counted(self, *, is_last: bool = False) -> list[AuditRecord]:
        """The counts as rows, once the minute is over, or if this is the last call."""
        if not is_last and self._clock() < self._began + _MINUTE:
            return []
        excess = self._excess()
        self._seen.clear()
        now = datetime.now(UTC)
        return [
            AuditRecord(time=now, decision="counted", reason=f"{count} more denials", resource_id=address)
            for address, count in excess
        ]

    def _excess(self) -> list[tuple[str, int]]:
        return [(address, count - self._rows) for address, count in self._seen.items() if count > self._rows]
