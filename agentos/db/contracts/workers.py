"""What storage does so that runs outlive connections and processes.

A process that executes runs has an `executor_id` and says every few seconds that it lives. A RUNNING run
belongs to one executor, and only that one may add to its log or finish it: a process that was taken for dead
and wakes up again changes nothing. A PENDING run without an executor is anybody's to claim; one with an
executor is its alone (a caller is waiting there). An executor that has never beaten counts as dead.

These are the server's own calls, on everybody's rows; those that act for a caller take `owner`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agentos.db.contracts.runs import LoggedEvent
from agentos.run.events import Kind
from agentos.run.messages import Message
from agentos.run.owner import Owner
from agentos.run.records import Json, Memory, RunOutput, RunStatus

Cancelling = Literal["cancel", "rollback"]
"""How a run is to end: as CANCELLED, or as if it had never been."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many background runs may execute at once, over all processes; None is as many as there are."""

    total: int | None = None
    per_runnable: int | None = None
    per_user: int | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run that has become an executor's."""

    run_id: str
    kind: Kind
    runnable_id: str
    segment: int
    """How often it has been continued after a pause: 0, 1, 2 …"""
    durable: bool
    cancelling: Cancelling | None = None
    """Somebody wants it to end."""


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """Everything that another process than the one that accepted a run needs to execute it."""

    run: RunOutput
    """As it was when its segment began."""
    arguments: Json
    """What the runner stored with it."""
    segment: int
    durable: bool
    last_seq: int
    """Of its last event in the log; 0 without one."""
    session_state: Json
    history: list[Message]
    memories: list[Memory]


@dataclass(frozen=True, slots=True)
class Notice:
    """News from another process, or this one."""

    kind: Literal["connected", "events", "cancel", "queue"]
    """`connected`: listening has begun, or begun again, so anything may have been missed. `queue`: a run
    became PENDING, a place became free, or an executor left."""
    run_ids: Sequence[str] = ()
    """Whose events, or which runs are to be cancelled."""


class Executing(Protocol):
    """Runs as things that processes hold and lose."""

    async def beat(self, executor_id: str) -> list[str]:
        """Says that the executor lives; those of its runs that somebody wants to end."""
        ...

    async def leave(self, executor_id: str) -> None:
        """Forgets the executor; whatever it still has is orphaned at once."""
        ...

    async def adopt_runs(
        self,
        executor_id: str,
        *,
        dead_after: float,
        runnables: Sequence[tuple[Kind, str]],
        held: Sequence[str],
    ) -> list[Assignment]:
        """Takes over the live runs of executors that are gone or silent for `dead_after` seconds.

        Durable ones only if they are of one of `runnables` or to be cancelled: another process may go on
        with the rest. They come back RUNNING; of those that were waiting PENDING for a caller at the dead
        process, durable ones wait on, for any process. Each orphan is given to one executor only. PENDING
        runs without an executor aren't orphans; the executor's own runs are, after three times as long, if it
        doesn't know of them: an answer of the database was lost. Those that it knows of are `held`.
        """
        ...

    async def claim_runs(
        self, executor_id: str, *, runnables: Sequence[tuple[Kind, str]], limits: Limits, most: int
    ) -> list[Assignment]:
        """Takes up to `most` PENDING runs that may start now, oldest first, and makes them RUNNING.

        Those of one of `runnables` that have no executor, and those of this executor. Limits count, and
        hold back, background runs only; a run with a `multitask` policy starts once no run accepted before
        it is live in its session. Exact across processes.
        """
        ...

    async def take_run(self, run_id: str, *, executor_id: str, segment: int) -> Assignment | None:
        """Makes a RUNNING run this executor's; None if it isn't RUNNING, or not in that segment."""
        ...

    async def open_run(
        self, run_id: str, *, executor_id: str, session_defaults: Json, history_runs: int, memories: bool
    ) -> OpenedRun | None:
        """The executor's own run with everything it needs; None if it isn't the executor's.

        The history is of the runs that were accepted before it.
        """
        ...

    async def reopen_run(
        self,
        run: RunOutput,
        *,
        executor_id: str | None,
        arguments: Json,
        owner: Owner,
        recorded: bool = True,
    ) -> int:
        """Continues a PAUSED run with the tools as `run` has them now; its new segment.

        With an executor it is RUNNING there, without one it is PENDING, as a background run. `arguments`
        are put over the stored ones. Unless its steps are `recorded`, a durable run isn't durable any more.
        ConflictError if it isn't PAUSED (any more), or has been continued since `run` was read;
        NotFoundError("Run") if there is none.
        """
        ...

    async def cancel_run(
        self, run_id: str, *, executor_id: str, owner: Owner, how: Cancelling = "cancel"
    ) -> RunStatus | None:
        """Asks for a run to end, and tells every process; the status it had, None if there is no such run.

        A run that no process of ours executes (PENDING, PAUSED, or a script's, which counts as PENDING)
        becomes RUNNING here, for this executor to end it.
        A run that is over stays as it is, and the first of several wishes holds. One that pauses all the same
        becomes PENDING, to be claimed and ended.
        """
        ...

    async def read_news(self, after: Mapping[str, int], *, owner: Owner) -> dict[str, list[LoggedEvent]]:
        """For each run the events with a greater `seq` than given, in order, at most 1000 a run."""
        ...

    def notices(self) -> AsyncGenerator[Notice]:
        """News as it comes, over one connection of its own; reconnects by itself until it is closed."""
        ...
