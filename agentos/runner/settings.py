"""The settings of a runnable that the runner reads before it accepts a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from agentos.db.contracts.runs import RunReads
from agentos.run.budget import Budget
from agentos.run.output_schema import OutputSchema
from agentos.run.request import Multitask
from agentos.run.runnable import Runnable

if TYPE_CHECKING:
    from agentos.db.base import Db


@dataclass(frozen=True, slots=True)
class RunSettings:
    """A runnable's settings for its runs. A run's `RunRequest` takes precedence."""

    db: Db | None = None
    """Where runs are stored. Without it, nothing is kept after the run."""
    history_runs: int = 0
    """How many of the session's last completed runs the runnable needs."""
    memories: bool = False
    """Whether the runnable needs the user's memories."""
    session_state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The state of a new session."""
    dependencies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_schema: OutputSchema | None = None
    durable: bool = False
    """On a server: whether another process resumes the run if its process dies."""
    multitask: Multitask | None = None
    """On a server: policy if the session already has a live run. None: the runs overlap."""
    budget: Budget = field(default_factory=Budget)
    """Limits on what one run and its nested runs may consume."""
    member_events: bool = True
    """Whether streams of a root run show the events of its nested runs. They are stored in any case."""

    def reads(self, *, history: bool | None = None) -> RunReads:
        """What a run reads about its session and its user at the start; no messages if `history` is False."""
        return RunReads(
            session_defaults=self.session_state,
            history_runs=0 if history is False else self.history_runs,
            memories=self.memories,
        )


@runtime_checkable
class Configured(Runnable, Protocol):
    """A runnable with settings, as the runner and the server require it."""

    @property
    def settings(self) -> RunSettings:
        """Read at the start of every run."""
        ...

    async def aclose(self) -> None:
        """Closes what its runs in this loop have opened, but not the db, which may be shared."""
        ...
