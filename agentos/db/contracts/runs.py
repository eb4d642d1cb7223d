"""What storage is told of a run, and what it tells, from acceptance to outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentos.run.messages import Message
from agentos.run.records import Json, Memory, RunOutput
from agentos.run.request import Multitask, RunRequest


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReads:
    """What a run reads of its session and its user when it begins."""

    session_defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The state of a new session; keys that a session has already are left alone."""
    history_runs: int = 0
    """How many of the session's last completed runs to read messages of."""
    memories: bool = False
    """Whether to read the user's memories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Who executes a run that is to be accepted, and what it has to wait for."""

    worker_id: str | None = None
    """None: an unsupervised process, or, for a PENDING run, whoever claims it."""
    durable: bool = False
    """Whether another process can continue it."""
    multitask: Multitask | None = None
    """None: runs of the session may overlap."""
    queue_limit: int | None = None
    """QueueFullError if so many background runs are PENDING."""
    user_queue_limit: int | None = None
    """The same for those of the run's user; it needs a `queue_limit`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """A run that is committed, with all that a process needs to execute its present segment."""

    run: RunOutput
    """As it was when the segment began. PENDING: it has to wait for its turn, or to be claimed."""
    request: RunRequest
    segment: int = 0
    """How often it has been continued after a pause."""
    durable: bool = False
    last_seq: int = 0
    """The `seq` of its last event in the log; 0 without one."""
    session_state: Json = field(default_factory=dict[str, Any])
    history: list[Message] = field(default_factory=list[Message])
    memories: list[Memory] = field(default_factory=list[Memory])
    is_new: bool = True
    """False: the run was there already, under the request's idempotency key."""
