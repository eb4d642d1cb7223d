"""What storage must do, as small protocols; `PostgresDb` is the one that does it.

Every method that touches a user's rows takes `owner`, without a default: the rows it sees and changes are
exactly those that `run.owner.may_see` allows. A row that isn't the owner's is as absent as one that isn't
there. A database that doesn't answer is `DatabaseUnavailableError` from any method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

from agentos.db.contracts.approvals import Approvals
from agentos.db.contracts.guard import AuditTrail, ServiceAccounts
from agentos.db.contracts.retention import Keeping
from agentos.db.contracts.runs import Accepted, LoggedEvent, RunRequest, StateChange
from agentos.db.contracts.workers import Executing
from agentos.run.events import Kind
from agentos.run.messages import Metrics
from agentos.run.owner import Owner
from agentos.run.records import Json, Memory, RunOutput, RunStatus, Session

T = TypeVar("T")

SessionSort = Literal["created_at", "updated_at", "session_name"]
MemorySort = Literal["created_at", "updated_at", "memory"]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of rows, and how many there are in all."""

    rows: list[T]
    total: int


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """Which sessions to list. `user_id` narrows further; it never widens what `owner` may see."""

    kind: Kind | None = None
    runnable_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    session_name: str | None = None
    """A case-insensitive part of an explicitly given name."""
    limit: int = 20
    page: int = 1
    sort_by: SessionSort = "created_at"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class MemoryQuery:
    """Which memories to list. `topics`: all of them must be there. `search`: a part of the text."""

    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    topics: Sequence[str] = ()
    search: str | None = None
    limit: int = 20
    page: int = 1
    sort_by: MemorySort = "updated_at"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """How much is remembered about one user."""

    user_id: str
    total_memories: int
    last_memory_updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What to set on a session; None leaves a field alone, everything given replaces the old value."""

    session_name: str | None = None
    session_state: Json | None = None
    metadata: Json | None = None
    summary: Json | None = None


class Sessions(Protocol):
    """Conversations."""

    async def create_session(self, session: Session, *, owner: Owner) -> Session:
        """Stores a new one; ConflictError if the id is taken, by whomever."""
        ...

    async def get_session(self, session_id: str, *, owner: Owner) -> Session | None:
        """One, without its runs."""
        ...

    async def list_sessions(self, query: SessionQuery, *, owner: Owner) -> Page[Session]:
        """A page; never reads runs."""
        ...

    async def update_session(self, session_id: str, change: SessionChange, *, owner: Owner) -> Session | None:
        """The changed session, or None if there is none."""
        ...

    async def delete_sessions(self, session_ids: Sequence[str], *, owner: Owner) -> int:
        """Deletes them with their runs and events; how many there were."""
        ...


class Runs(Protocol):
    """Runs, each its own row."""

    async def accept_run(self, request: RunRequest, *, owner: Owner) -> Accepted:
        """Finds or makes the session and commits the run row, in one round trip.

        NotFoundError("Session") if the session is another user's, or another runnable's. SessionBusyError,
        QueueFullError and IdempotencyConflictError as the request says.
        """
        ...

    async def finish_run(
        self,
        run: RunOutput,
        change: StateChange,
        *,
        owner: Owner,
        executor_id: str | None = None,
        earlier: Metrics | None = None,
        replaces: str | None = None,
        events: Sequence[LoggedEvent] = (),
    ) -> None:
        """Stores the run's outcome or pause, its session's state and its sums, in one round trip.

        `earlier`: what of the run's metrics the session has already. `replaces`: the run that becomes
        REGENERATED if this one is COMPLETED. `events` go to the log, and to every process, with it: the
        outcome and the run's last event are there both or not at all. RunLostError if the run is another
        executor's now.
        """
        ...

    async def get_run(self, run_id: str, *, owner: Owner, session_id: str | None = None) -> RunOutput | None:
        """One run in full."""
        ...

    async def run_status(self, run_id: str, *, owner: Owner) -> RunStatus | None:
        """Where one run is; of it, however big, nothing else is read. None if there is none."""
        ...

    async def list_runs(
        self,
        session_id: str,
        *,
        owner: Owner,
        statuses: Sequence[RunStatus] = (),
        created_after: int | None = None,
        created_before: int | None = None,
        messages: bool = True,
    ) -> list[RunOutput]:
        """A session's runs, oldest first; times are epoch seconds, inclusive.

        Without `messages`, which are the most of a run, they aren't read.
        """
        ...


class Events(Protocol):
    """The event log of streamed runs."""

    async def append_events(
        self,
        batches: Mapping[str, Sequence[LoggedEvent]],
        *,
        owner: Owner,
        executor_id: str | None = None,
    ) -> set[str]:
        """Adds batches of several runs and tells every process; the runs that took theirs.

        A run that is gone, or another executor's now, takes none.
        """
        ...

    async def read_events(
        self, run_id: str, *, after: int, owner: Owner, limit: int = 1000
    ) -> list[LoggedEvent]:
        """The events with a greater `seq`, in order."""
        ...

    async def last_seq(self, run_id: str, *, owner: Owner) -> int:
        """The `seq` of the run's last event; 0 without one."""
        ...


class Memories(Protocol):
    """What is remembered about users."""

    async def create_memory(self, memory: Memory, *, owner: Owner) -> Memory:
        """Stores a new one."""
        ...

    async def get_memory(self, memory_id: str, *, owner: Owner) -> Memory | None:
        """One."""
        ...

    async def list_memories(self, query: MemoryQuery, *, owner: Owner) -> Page[Memory]:
        """A page."""
        ...

    async def update_memory(
        self, memory_id: str, *, memory: str, topics: Sequence[str] | None, owner: Owner
    ) -> Memory | None:
        """The changed memory, or None if there is none. `topics=None` leaves them alone."""
        ...

    async def delete_memories(self, memory_ids: Sequence[str], *, owner: Owner) -> int:
        """How many there were."""
        ...

    async def memory_topics(self, *, owner: Owner, user_id: str | None = None) -> list[str]:
        """Every topic in use, sorted."""
        ...

    async def memory_stats(
        self, *, owner: Owner, user_id: str | None = None, limit: int = 20, page: int = 1
    ) -> Page[MemoryStats]:
        """A line per user, the latest first."""
        ...


class Db(
    Sessions,
    Runs,
    Events,
    Executing,
    Approvals,
    Memories,
    ServiceAccounts,
    AuditTrail,
    Keeping,
    Protocol,
):
    """All of storage."""

    @property
    def id(self) -> str:
        """Stable for one database and schema; the wire's `db_id`."""
        ...

    @property
    def url(self) -> str:
        """For engines that need connections of their own. It holds the password: never show or log it."""
        ...

    @property
    def tables(self) -> Mapping[Literal["sessions", "runs", "events", "memories"], str]:
        """The table names in use."""
        ...

    async def start(self) -> None:
        """Connects and, unless told not to, creates or upgrades the tables. Safe to call again."""
        ...

    async def close(self) -> None:
        """Gives back every connection of the running loop."""
        ...
