"""How long things are kept, whose things go altogether, and how a conversation moves or branches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from agentos.db.contracts.audit import AuditRecord
from agentos.run.owner import Owner
from agentos.run.records import Session


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows have gone, or would; `workflows` are the records of durable runs."""

    sessions: int = 0
    runs: int = 0
    events: int = 0
    approvals: int = 0
    workflows: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(
            self.sessions + other.sessions,
            self.runs + other.runs,
            self.events + other.events,
            self.approvals + other.approvals,
            self.workflows + other.workflows,
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """That everything of a user's is deleted: proof without naming them."""

    receipt_id: str
    time: datetime
    user_hash: str
    """`user_hash` of the user's id."""
    counts: Mapping[str, int]
    """How many rows of each table have gone."""


def user_hash(user_id: str) -> str:
    """SHA-256, in hex, of the id in UTF-8."""
    return sha256(user_id.encode(errors="surrogatepass")).hexdigest()


def record_of(receipt: Receipt, *, principal: str | None = None) -> AuditRecord:
    """What the audit says of it; `principal` is the user who wanted it."""
    return AuditRecord(
        time=receipt.time,
        decision="allowed",
        reason="user_deleted",
        resource_id=f"{receipt.user_hash}/{receipt.receipt_id}",
        principal=principal,
    )


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has stored."""

    session_id: str
    user_id: str | None
    runs: int
    events: int


class Keeping(Protocol):
    """Housekeeping: the first two are the server's own, on everybody's rows."""

    async def prune(
        self,
        *,
        older_than: timedelta | None = None,
        events_older_than: timedelta | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Deletes what is older than it needs to be.

        `older_than`: whole sessions, with their runs, events and approvals, that haven't changed for that
        long and have no run that is live or paused. `events_older_than`: the event logs of runs that ended
        that long ago; the runs themselves stay, with all that was said.

        In batches, each a transaction of its own, of one process at a time. The audit isn't pruned: each of
        its rows vouches for the one before.
        """
        ...

    async def delete_user(self, user_id: str) -> Receipt:
        """Deletes everything that belongs to a user, at once or not at all.

        ConflictError while runs of theirs are live: cancel them first. What the audit says of the user stays.
        """
        ...

    async def fork_session(
        self, session_id: str, *, new_session_id: str, through_run_id: str | None = None, owner: Owner
    ) -> Session | None:
        """A copy of a session, with its runs that ended, up to `through_run_id`; None if there is none.

        The copies have ids of their own and say in `forked_from_run_id` whose they are. Nested runs and
        event logs stay behind. ConflictError if there is nothing to copy or the new id is taken.
        """
        ...

    def export_session(self, session_id: str, *, owner: Owner) -> AsyncGenerator[str]:
        """The session as lines of JSON (`db.lines`), all of one moment; NotFoundError at the first."""
        ...

    async def import_session(
        self,
        lines: AsyncIterable[str | bytes],
        *,
        owner: Owner,
        user_id: str | None = None,
        new_ids: bool = False,
    ) -> Imported:
        """Stores an exported session, all of it or nothing.

        It becomes `user_id`'s, else the owner's, else (for anyone) the user's that it was. It counts as
        changed now. InvalidInputError names the line that can't be used; ConflictError if an id is taken,
        which can't be with `new_ids`.
        """
        ...
