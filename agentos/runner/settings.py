"""What the runner must know of a runnable before it can accept a run of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agentos.db.base import Db
from agentos.db.contracts.runs import Multitask
from agentos.run.runnable import OutputSchema, Runnable


@dataclass(frozen=True, slots=True)
class RunSettings:
    """A runnable's standing wishes; one run's `RunArguments` go on top."""

    db: Db | None = None
    """Where runs are stored; without one nothing outlives the run."""
    history_runs: int = 0
    """How many of the session's last completed runs the runnable wants to see."""
    memories: bool = False
    """Whether it wants the user's memories."""
    session_state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What a new session's state begins with."""
    dependencies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_schema: OutputSchema | None = None
    durable: bool = False
    """On a server: whether another process goes on with a run whose process died."""
    multitask: Multitask | None = None
    """On a server: what a run does while another one of its session is live. None: they overlap."""


class Configured(Runnable, Protocol):
    """A runnable that says how its runs are set up: what `Runner` and the server take."""

    @property
    def settings(self) -> RunSettings:
        """Read at the start of every run."""
        ...

    async def aclose(self) -> None:
        """Gives back what its runs in this loop have opened, but for the db, which others may use."""
        ...
