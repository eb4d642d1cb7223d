"""What storage receives and returns about a run, from acceptance to outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentos.run.messages import Message
from agentos.run.records import Json, Memory, Participant, RunOutput, RunStatus
from agentos.run.request import Multitask, RunRequest
from agentos.run.state import Merge


@dataclass(frozen=True, slots=True)
class StateChange:
    """Changes of a run to top-level keys of the session state, merged in the database key by key."""

    put: Mapping[str, Any] = field(default_factory=dict[str, Any])
    removed: Sequence[str] = ()
    merged: Mapping[str, Merge] = field(default_factory=dict[str, Merge])
    """What is added to stored numbers, and appended to stored lists, in place of what `put` has for the keys.
    That is stored if the database has neither by then."""

    @classmethod
    def between(cls, before: Json, after: Json, merged: Mapping[str, Merge] | None = None) -> StateChange:
        """The change that turns `before` into `after`; `merged` is the part of it that merges."""
        put = {key: value for key, value in after.items() if key not in before or before[key] != value}
        return cls(put, removed=[key for key in before if key not in after], merged=merged or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReads:
    """What a run reads about its session and its user when it starts."""

    session_defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """State of a new session. Existing keys of a session are kept."""
    history_runs: int = 0
    """From how many of the session's last completed runs to read messages."""
    memories: bool = False
    """Whether to read the user's memories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs of a session to list. Times are epoch seconds, inclusive."""

    statuses: Sequence[RunStatus] = ()
    """Empty: any."""
    created_after: int | None = None
    created_before: int | None = None
    of: Participant | None = None
    """Leaves out the root runs of other runnables, and what is nested in them."""
    limit: int | None = None
    """Leaves only the newest."""
    before: str | None = None
    """Leaves only those that were accepted before this run."""


@dataclass(frozen=True, slots=True)
class NestedRuns:
    """The runs below a run, at any level, in the order in which they began: parents first."""

    runs: Sequence[RunOutput]
    left_out: int = 0
    """How many later ones weren't read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which worker executes a new run, and what the run must wait for."""

    worker_id: str | None = None
    """None: an unsupervised process, or, for a PENDING run, any worker that claims it."""
    durable: bool = False
    """Whether another process can continue it."""
    multitask: Multitask | None = None
    """None: runs of the session may overlap."""
    queue_limit: int | None = None
    """QueueFullError if this many background runs are PENDING."""
    user_queue_limit: int | None = None
    """The same for runs of one user; requires `queue_limit`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """A committed run, with everything that a process needs to execute its current segment."""

    run: RunOutput
    """The run when the segment started. PENDING: it must wait for its turn, or for a worker to claim it."""
    request: RunRequest
    segment: int = 0
    """How often the run has been continued after a pause."""
    durable: bool = False
    last_seq: int = 0
    """`seq` of its last logged event; 0 if there is none."""
    session_state: Json = field(default_factory=dict[str, Any])
    history: list[Message] = field(default_factory=list[Message])
    memories: list[Memory] = field(default_factory=list[Memory])
    is_new: bool = True
    """False if a run with the request's idempotency key already existed."""
