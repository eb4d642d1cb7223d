"""Runs that processes hold and lose, in Postgres. These are the server's calls, on everybody's rows."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template
from typing import Final

from agentos.db.connection.engine import Engine
from agentos.db.contracts.workers import Assignment, Cancelling, Limits, OpenedRun
from agentos.db.encoding import id_or_none
from agentos.db.schema.tables import Tables
from agentos.db.sql.claims import Claiming, assignments
from agentos.db.sql.notifications import QUEUE
from agentos.db.sql.segments import Segments, opened, opening, reopening
from agentos.db.stores.store import Store
from agentos.errors import ConflictError, NotFoundError
from agentos.run.events import Kind
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunOutput, RunStatus

_BEAT: Final = """
WITH beat AS (
    INSERT INTO $executors (executor_id) VALUES (:executor_id)
    ON CONFLICT (executor_id) DO UPDATE SET beat_at = now()
)
SELECT run_id FROM $runs
WHERE executor_id = :executor_id AND status = 'RUNNING' AND cancelling IS NOT NULL
"""

_LEAVE: Final = Template("""
WITH gone AS (DELETE FROM $executors WHERE executor_id = :executor_id) SELECT $queue
""").safe_substitute(queue=QUEUE)


class ExecutorStore(Store):
    """The `Executing` of `db.executing` but its notices."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._beat = tables.sql(_BEAT)
        self._leave = tables.sql(_LEAVE)
        self._claiming = Claiming(tables)
        self._segments = Segments(tables)

    async def beat(self, executor_id: str) -> list[str]:
        """Says that the executor lives; those of its runs that somebody wants to end."""
        rows = await self._reach(ANYONE).execute(self._beat, {"executor_id": executor_id})
        return [row["run_id"] for row in rows]

    async def leave(self, executor_id: str) -> None:
        """Forgets the executor; whatever it still has is orphaned at once."""
        await self._reach(ANYONE).execute(self._leave, {"executor_id": executor_id})

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
        wanted = {
            "executor_id": executor_id,
            "dead_after": dead_after,
            "runnables": _listed(runnables),
            "held": list(held),
        }
        locks = [self._lock("adoption")]
        return assignments(await self._reach(ANYONE).execute(self._claiming.adopt, wanted, locks=locks))

    async def claim_runs(
        self, executor_id: str, *, runnables: Sequence[tuple[Kind, str]], limits: Limits, most: int
    ) -> list[Assignment]:
        """Takes up to `most` PENDING runs that may start now, oldest first, and makes them RUNNING.

        Those of one of `runnables` that have no executor, and those of this executor. Limits count, and
        hold back, background runs only; a run with a `multitask` policy starts once no run accepted before
        it is live in its session. What is to be cancelled waits for nothing. Exact across processes.
        """
        wanted = {
            "executor_id": executor_id,
            "runnables": _listed(runnables),
            "total": limits.total,
            "per_runnable": limits.per_runnable,
            "per_user": limits.per_user,
        }
        locks = [self._lock("claim")]
        claimed: list[Assignment] = []
        while len(claimed) < most:
            asked = wanted | {"most": most - len(claimed)}
            rows = await self._reach(ANYONE).execute(self._claiming.claim, asked, locks=locks)
            if not rows:
                break
            claimed += assignments(rows)
        return claimed

    async def take_run(self, run_id: str, *, executor_id: str, segment: int) -> Assignment | None:
        """Makes a RUNNING run this executor's; None if it isn't RUNNING, or not in that segment."""
        wanted = {"run_id": id_or_none(run_id), "executor_id": executor_id, "segment": segment}
        taken = assignments(await self._reach(ANYONE).execute(self._claiming.take, wanted))
        return taken[0] if taken else None

    async def open_run(
        self, run_id: str, *, executor_id: str, session_defaults: Json, history_runs: int, memories: bool
    ) -> OpenedRun | None:
        """The executor's own run with everything it needs; None if it isn't the executor's.

        The history is of the runs that were accepted before it.
        """
        wanted = opening(session_defaults, history_runs=history_runs, memories=memories)
        wanted |= {"run_id": id_or_none(run_id), "executor_id": executor_id}
        rows = await self._reach(ANYONE).execute(self._segments.open, wanted)
        return opened(rows[0]) if rows else None

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
        ConflictError if it isn't PAUSED (any more), or was continued since `run` was read;
        NotFoundError("Run") if there is none.
        """
        wanted = reopening(run, arguments) | {"executor_id": executor_id, "recorded": recorded}
        rows = await self._reach(owner).execute(self._segments.reopen, wanted)
        if not rows:
            raise NotFoundError("Run", run.run_id)
        if rows[0]["segment"] is None:
            raise ConflictError("The run isn't paused any more.")
        return rows[0]["segment"]

    async def cancel_run(
        self, run_id: str, *, executor_id: str, owner: Owner, how: Cancelling = "cancel"
    ) -> RunStatus | None:
        """Asks for a run to end, and tells every process; the status it had, None if there is no such run.

        A run that no process of ours executes (PENDING, PAUSED, or a script's, which counts as PENDING)
        becomes RUNNING here, for this executor to end it.
        A run that is over stays as it is. The first of several wishes holds.
        """
        wanted = {"run_id": id_or_none(run_id), "executor_id": executor_id, "how": how}
        rows = await self._reach(owner).execute(self._segments.cancel, wanted)
        return RunStatus(rows[0]["status"]) if rows else None


def _listed(runnables: Sequence[tuple[Kind, str]]) -> list[dict[str, str]]:
    return [{"kind": kind, "id": runnable_id} for kind, runnable_id in runnables]
