"""What the runner must know of a runnable before it can accept a run of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from agentos.db.contracts.runs import RunReads
from agentos.run.budget import Budget
from agentos.run.request import Multitask, OutputSchema
from agentos.run.runnable import Runnable

if TYPE_CHECKING:
    from agentos.db.base import Db


@dataclass(frozen=True, slots=True)
class RunSettings:
    """A runnable's settings for each of its runs; a run's `RunRequest` takes precedence."""

    db: Db | None = None
    """Where runs are stored; without one nothing outlives the run."""
    history_runs: int = 0
    """How many of the session's last completed runs the runnable wants to see."""
    memories: bool = False
    """Whether it wants the user's memories."""
    session_state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The state of a new session."""
    dependencies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_schema: OutputSchema | None = None
    durable: bool = False
    """On a server: whether another process continues a run whose process died."""
    multitask: Multitask | None = None
    """On a server: what a run does if another one of its session is live. None: they overlap."""
    budget: Budget = field(default_factory=Budget)
    """What one run may use up, with all runs that are part of it."""

    def reads(self, *, history: bool | None = None) -> RunReads:
        """What a run reads of its session and its user when it begins; no messages if `history` is False."""
        return RunReads(
            session_defaults=self.session_state,
            history_runs=0 if history is False else self.history_runs,
            memories=self.memories,
        )


@runtime_checkable
class Configured(Runnable, Protocol):
    """A runnable that says how its runs are set up: what the runner and the server take."""

    @property
    def settings(self) -> RunSettings:
        """Read at the start of every run."""
        ...

    async def aclose(self) -> None:
        """Closes what its runs in this loop have opened, but not the db, which others may use."""
        ...
