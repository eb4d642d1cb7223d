"""What storage is told of a run, and what it tells, from acceptance to outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agentos.run.messages import Message
from agentos.run.records import Json, Memory, RunOutput, RunStatus

Multitask = Literal["enqueue", "reject", "interrupt", "rollback"]
"""What a run does that finds another one live (PENDING or RUNNING) in its session: waits for it, is refused,
cancels it and waits for its end, or that and leaves nothing of it."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a run did to the top-level keys of its session's state; merged in the database, key by key."""

    put: Mapping[str, Any] = field(default_factory=dict[str, Any])
    removed: Sequence[str] = ()

    @classmethod
    def between(cls, before: Json, after: Json) -> StateChange:
        """What made `after` of `before`."""
        put = {key: value for key, value in after.items() if key not in before or before[key] != value}
        return cls(put=put, removed=[key for key in before if key not in after])


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run that asks to be accepted."""

    run: RunOutput
    """PENDING or RUNNING, with its `input`; ids are set."""
    session_state: Json = field(default_factory=dict[str, Any])
    """Put over the stored state, key by key, before the run begins."""
    session_defaults: Json = field(default_factory=dict[str, Any])
    """The runnable's own initial state: keys a session has already are left alone."""
    history_runs: int = 0
    """How many of the session's last completed runs to read messages of."""
    memories: bool = False
    """Whether to read the user's memories too."""
    executor_id: str | None = None
    """Who executes it. None: a process that nobody watches, or, for a PENDING run, whoever claims it."""
    arguments: Json = field(default_factory=dict[str, Any])
    """What `open_run` gives another process, to set the run up."""
    durable: bool = False
    """Whether another process can go on with it."""
    background: bool = False
    """Whether limits hold for it."""
    multitask: Multitask | None = None
    """None: runs of the session may overlap."""
    queue_limit: int | None = None
    """QueueFullError if so many background runs are PENDING."""
    user_queue_limit: int | None = None
    """The same for those of the run's user; it needs a `queue_limit`."""
    idempotency_key: str | None = None
    """The user's own name for the request: a second one with it gets the first one's run."""
    fingerprint: str | None = None
    """Of all that was asked; with a known key and another fingerprint it is IdempotencyConflictError."""
    history_before: str | None = None
    """A run of the same session: history ends before it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A run that is committed, and what the same round trip read."""

    run_id: str
    """The request's, unless its idempotency key has a run already."""
    status: RunStatus
    """PENDING where RUNNING was asked for: the run has to wait for its turn in the session."""
    is_new: bool
    user_id: str | None
    """Whose run it is: the session's user, or the request's when the session is new."""
    session_state: Json
    history: list[Message]
    memories: list[Memory]


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One line of a run's event log: `text` is the wire's JSON, byte for byte."""

    seq: int
    name: str
    text: str
