"""Limits on executing and queued background runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

from agentos.db.contracts.workers import Limits
from agentos.errors import ConfigurationError
from agentos.runner.worker.loops import Capacity

_SHARE: Final = 5
"""One user may fill this fraction of the queue, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """Limits on runs with `background=true`, across all processes on one database.

    Executing runs are limited in total, per agent and per user (anonymous callers count as one). None is no
    limit. ConfigurationError for an invalid limit.
    """

    max_running: int | None = None
    max_running_per_agent: int | None = None
    max_running_per_user: int | None = None
    max_running_per_process: int = 100
    """Runs of every type count, but only background runs wait."""
    max_queued: int = 1000
    """Maximum number of queued runs; one more is refused with 429."""
    max_queued_per_user: int | Literal["share"] | None = "share"
    """The same per user, so that no user can fill the queue for everyone. `"share"` is a fifth of
    `max_queued`."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value: int | str | None = getattr(self, each.name)
            is_share = value == "share" and each.name == "max_queued_per_user"
            if not (value is None or is_share or (isinstance(value, int) and value >= 1)):
                raise ConfigurationError(f"QueueConfig({each.name}={value!r}) is invalid: give 1 or more.")

    @property
    def capacity(self) -> Capacity:
        """The same limits for the runner."""
        limits = Limits(
            total=self.max_running,
            per_runnable=self.max_running_per_agent,
            per_user=self.max_running_per_user,
        )
        share = max(1, self.max_queued // _SHARE)
        return Capacity(
            limits=limits,
            per_process=self.max_running_per_process,
            queued=self.max_queued,
            queued_per_user=share if self.max_queued_per_user == "share" else self.max_queued_per_user,
        )
