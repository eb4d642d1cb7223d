"""Workers and the runs assigned to them.

Only `reopen_run` and `cancel_run` act for a caller and take an `owner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Double, Integer, RowMapping, Text

from agentos.db.connection.engine import Engine
from agentos.db.contracts.runs import OpenedRun, RunReads
from agentos.db.contracts.workers import Assignment, Cancelling, Limits
from agentos.db.encoding import id_or_none
from agentos.db.rows import opened, reading, run_of, run_row
from agentos.db.schema.columns import OBJECT, PAYLOAD, TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.stores.media import MediaStore
from agentos.errors import ConflictError, NotFoundError
from agentos.kinds import Kind
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunOutput, RunStatus
from agentos.run.request import RunRequest
from agentos.run.text import mended


class WorkerStore(MediaStore):
    """Workers and their runs; see `contracts.workers`."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        limits = dict.fromkeys(("total", "per_runnable", "per_user", "most"), Integer)
        self._beat = self._statement("beat")
        self._leave = self._statement("leave")
        self._claim_runs = self._statement("claim_runs", runnables=PAYLOAD, **limits)
        self._adopt_runs = self._statement("adopt_runs", runnables=PAYLOAD, held=TEXTS, dead_after=Double)
        self._gone_workers = self._statement("gone_workers", worker_ids=TEXTS)
        self._take_run = self._statement("take_run", segment=Integer, steps=Integer)
        self._open_run = self._statement(
            "open_run", defaults=OBJECT, default_keys=TEXTS, history_runs=BigInteger, memories=BigInteger
        )
        self._reopen_run = self._statement(
            "reopen_run",
            worker_id=Text,
            details=PAYLOAD,
            changes=PAYLOAD,
            changed=TEXTS,
            messages=BigInteger,
            nested_calls=TEXTS,
            recorded=Boolean,
        )
        self._cancel_run = self._statement("cancel_run")

    @property
    def worker_table(self) -> str:
        """Names the table of workers; those that share it know which of them live."""
        return f"{self._tables.names.schema}.{self._tables.names.executors}"

    async def beat(self, worker_id: str) -> list[str]:
        """Records that the worker is alive; returns its runs that are to be cancelled."""
        rows = await self._reach(ANYONE).execute(self._beat, {"worker_id": worker_id})
        return [row["run_id"] for row in rows]

    async def leave(self, worker_id: str) -> None:
        """Removes the worker; its runs are orphaned immediately."""
        await self._reach(ANYONE).execute(self._leave, {"worker_id": worker_id})

    async def adopt_runs(
        self,
        worker_id: str,
        *,
        dead_after: float,
        runnables: Sequence[tuple[Kind, str]],
        held: Sequence[str],
    ) -> list[Assignment]:
        """Takes over the live runs of workers that left or haven't reported for `dead_after` seconds.

        Durable runs are included only if their runnable is in `runnables` or they are to be cancelled;
        another process may continue the rest. Adopted runs are RUNNING. Of runs that were PENDING for a
        caller at the dead process, durable ones keep waiting, for any process. Each orphan is given to one
        worker only. PENDING runs without a worker aren't orphans. The worker's own runs are adopted too,
        after three times as long, if they aren't in `held`: then a response of the database was lost.
        """
        wanted = {
            "worker_id": worker_id,
            "dead_after": dead_after,
            "runnables": _listed(runnables),
            "held": list(held),
        }
        locks = [self._lock("adoption")]
        return _assignments(await self._reach(ANYONE).execute(self._adopt_runs, wanted, locks=locks))

    async def gone_workers(self, worker_ids: Sequence[str]) -> list[str]:
        """Those of the workers that have left, or that `adopt_runs` has found dead."""
        if not worker_ids:
            return []
        rows = await self._reach(ANYONE).execute(self._gone_workers, {"worker_ids": list(worker_ids)})
        return [row["worker_id"] for row in rows]

    async def claim_runs(
        self, worker_id: str, *, runnables: Sequence[tuple[Kind, str]], limits: Limits, most: int
    ) -> list[Assignment]:
        """Claims up to `most` PENDING runs that may start now, oldest first, and makes them RUNNING.

        These are runs of `runnables` without a worker, and runs of this worker. Limits count and delay
        background runs only. A run with a `multitask` policy starts once no earlier run of its session is
        live. A run that is to be cancelled never waits. The limits are exact across processes.
        """
        wanted = {
            "worker_id": worker_id,
            "runnables": _listed(runnables),
            "total": limits.total,
            "per_runnable": limits.per_runnable,
            "per_user": limits.per_user,
        }
        locks = [self._lock("claim")]
        claimed: list[Assignment] = []
        while len(claimed) < most:
            asked = wanted | {"most": most - len(claimed)}
            rows = await self._reach(ANYONE).execute(self._claim_runs, asked, locks=locks)
            if not rows:
                break
            claimed += _assignments(rows)
        return claimed

    async def take_run(
        self, run_id: str, *, worker_id: str, segment: int, steps: int = 0
    ) -> Assignment | None:
        """Assigns a RUNNING run to this worker; None if it isn't RUNNING or not in that segment.

        `steps`: how many steps of the segment are recorded. Workers that left don't count as takeovers.
        """
        wanted = {"run_id": id_or_none(run_id), "worker_id": worker_id, "segment": segment, "steps": steps}
        taken = _assignments(await self._reach(ANYONE).execute(self._take_run, wanted))
        return taken[0] if taken else None

    async def open_run(self, run_id: str, *, worker_id: str, reads: RunReads) -> OpenedRun | None:
        """The worker's run with everything needed to execute it; None if it isn't the worker's.

        The history contains the runs that were accepted before it.
        """
        wanted = reading(reads) | {"run_id": id_or_none(run_id), "worker_id": worker_id}
        rows = await self._reach(ANYONE).execute(self._open_run, wanted)
        if not rows:
            return None
        row, run = rows[0], run_of(rows[0])
        found = opened(
            run,
            RunRequest.restored(run, row["arguments"] or {}),
            row,
            segment=row["segment"],
            durable=row["durable"],
            last_seq=row["last_seq"],
            session_state=row["current_state"],
        )
        return await self._with_media(found, ANYONE)

    async def reopen_run(
        self,
        run: RunOutput,
        changes: Json,
        *,
        owner: Owner,
        worker_id: str | None,
        recorded: bool = True,
    ) -> int:
        """Continues a PAUSED run with the tools as they are in `run`; returns its new segment.

        With a worker it becomes RUNNING, without one PENDING, as a background run. `changes` override its
        stored request. Unless its steps are `recorded`, a durable run stops being durable. ConflictError if
        it isn't PAUSED, or was continued since `run` was read; NotFoundError("Run").
        """
        row = run_row(run)
        nested = [each for known in run.child_requirements.values() for each in known]
        wanted = {
            "run_id": run.run_id,
            "details": row["details"],
            "messages": len(row["messages"]),
            "nested_calls": [mended(f"{each.member_run_id} {each.id}") for each in nested],
            "changes": changes,
            "changed": list(changes),
            "worker_id": worker_id,
            "recorded": recorded,
        }
        rows = await self._reach(owner).execute(self._reopen_run, wanted)
        if not rows:
            raise NotFoundError("Run", run.run_id)
        if rows[0]["segment"] is None:
            raise ConflictError("The run is no longer paused.")
        return rows[0]["segment"]

    async def cancel_run(
        self, run_id: str, *, worker_id: str, owner: Owner, how: Cancelling = "cancel"
    ) -> RunStatus | None:
        """Requests cancellation of a run and notifies all processes. Returns its status, or None.

        A run that no worker executes (PENDING, PAUSED, or a script's, which counts as PENDING) becomes
        RUNNING at this worker, which must end it. A finished run stays unchanged, and the first of several
        requests wins. A run that pauses despite the request becomes PENDING, to be claimed and ended.
        """
        wanted = {"run_id": id_or_none(run_id), "worker_id": worker_id, "how": how}
        rows = await self._reach(owner).execute(self._cancel_run, wanted)
        return RunStatus(rows[0]["status"]) if rows else None


def _listed(runnables: Sequence[tuple[Kind, str]]) -> list[dict[str, str]]:
    return [{"kind": kind, "id": runnable_id} for kind, runnable_id in runnables]


def _assignments(rows: Sequence[RowMapping]) -> list[Assignment]:
    """Assignments from rows, in the order in which the runs were accepted."""
    names = ("run_id", "kind", "runnable_id", "segment", "durable", "cancelling", "takeovers")

    def position(row: RowMapping) -> Any:
        return row["position"]

    return [
        Assignment(**{name: row[name] for name in names if name in row}) for row in sorted(rows, key=position)
    ]
