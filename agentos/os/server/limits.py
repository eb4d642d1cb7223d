"""How many runs in the background a deployment executes, and lets wait."""

from __future__ import annotations

from dataclasses import dataclass, fields

from agentos.db.contracts.workers import Limits
from agentos.errors import ConfigurationError
from agentos.runner.worker.loops import Capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """Limits of runs with `background=true`; they hold over all processes on one database.

    Those that execute are counted: in all, of one agent, of one user (callers without one count as one).
    None is no limit. ConfigurationError if a limit can't work.
    """

    max_running: int | None = None
    max_running_per_agent: int | None = None
    max_running_per_user: int | None = None
    max_running_per_process: int = 100
    """Runs of every kind count, but only background ones wait for it."""
    max_queued: int = 1000
    """How many may wait; one more is answered 429."""
    max_queued_per_user: int | None = None
    """The same for each user, so that nobody can fill the queue for everybody."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value: int | None = getattr(self, each.name)
            if value is not None and value < 1:
                raise ConfigurationError(f"QueueConfig({each.name}={value!r}) can't work: give 1 or more.")

    @property
    def capacity(self) -> Capacity:
        """The same in the runner's terms."""
        limits = Limits(
            total=self.max_running,
            per_runnable=self.max_running_per_agent,
            per_user=self.max_running_per_user,
        )
        return Capacity(
            limits=limits,
            per_process=self.max_running_per_process,
            queued=self.max_queued,
            queued_per_user=self.max_queued_per_user,
        )
