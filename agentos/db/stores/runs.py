"""Runs in Postgres. Each of the two writes of a run is one statement: one round trip, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, ColumnElement, literal, select
from sqlalchemy.exc import IntegrityError

from agentos.db.base import Accepted, RunRequest, StateChange
from agentos.db.connection.engine import Engine
from agentos.db.contracts.runs import LoggedEvent
from agentos.db.encoding import check_ids, id_or_none
from agentos.db.filters import among, bounded, same
from agentos.db.rows import run_of
from agentos.db.schema.tables import Tables
from agentos.db.sql import acceptance, admission, outcome
from agentos.db.stores.events import lines
from agentos.db.stores.store import Store, check_owner
from agentos.errors import ConflictError, NotFoundError
from agentos.run.messages import Metrics
from agentos.run.owner import Owner
from agentos.run.records import RunOutput, RunStatus


class RunStore(Store):
    """The `Runs` of `db.base`."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._accept = acceptance.acceptance(tables)
        self._admission = admission.Admission(tables)
        self._finish = outcome.outcome(tables)

    async def accept_run(self, request: RunRequest, *, owner: Owner) -> Accepted:
        """Finds or makes the session and commits the run row, in one round trip.

        NotFoundError("Session") if the session is another user's, or another runnable's. ConflictError if
        the run's id is taken, by whomever; its kinds, and QueueFullError, as the request says. Memories are
        the newest `accept.MAX_MEMORIES`.
        """
        run = request.run
        check_owner(owner, run.user_id)
        check_ids(
            run_id=run.run_id,
            session_id=run.session_id,
            runnable_id=run.runnable_id,
            user_id=run.user_id,
            parent_run_id=run.parent_run_id,
            idempotency_key=request.idempotency_key,
        )
        reach = self._reach(owner)
        try:
            if admission.has_rules(request):
                (row,) = await reach.execute(
                    self._admission.statement,
                    admission.wishes(request),
                    locks=[self._lock(*parts) for parts in admission.locks(request)],
                    look=self._admission.look(request),
                )
                return admission.admitted(request, row)
            rows = await reach.execute(self._accept, acceptance.parameters(request))
        except IntegrityError as error:
            raise ConflictError("There is a run with this run_id already.") from error
        if not rows:
            raise NotFoundError("Session")
        return acceptance.accepted(run.run_id, rows[0])

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
        """Stores the run's outcome or pause, its last events, its session's state and its sums.

        A run that has ended already stays as it is, so this may be tried again. One that was to be undone,
        and is CANCELLED, is deleted. NotFoundError("Run") if there is no such run any more.
        """
        check_ids(run_id=run.run_id, session_id=run.session_id)
        finished = outcome.parameters(run, change, earlier) | {
            "executor_id": executor_id,
            "replaces": replaces and id_or_none(replaces),
            "lines": lines(run.run_id, events),
            "is_logged": bool(events),
        }
        outcome.check(run.run_id, await self._reach(owner).execute(self._finish, finished))

    async def get_run(self, run_id: str, *, owner: Owner, session_id: str | None = None) -> RunOutput | None:
        """One run in full."""
        table = self._tables.runs
        reach = self._reach(owner)
        statement = select(table).where(same(table.c.run_id, run_id), reach.covers(table))
        if session_id is not None:
            statement = statement.where(same(table.c.session_id, session_id))
        rows = await reach.execute(statement)
        return run_of(rows[0]) if rows else None

    async def run_status(self, run_id: str, *, owner: Owner) -> RunStatus | None:
        """Where one run is; of it, however big, nothing else is read. None if there is none."""
        table, reach = self._tables.runs, self._reach(owner)
        statement = select(table.c.status).where(same(table.c.run_id, run_id), reach.covers(table))
        rows = await reach.execute(statement)
        return RunStatus(rows[0]["status"]) if rows else None

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
        table = self._tables.runs
        reach = self._reach(owner)
        conditions: list[ColumnElement[bool]] = [same(table.c.session_id, session_id), reach.covers(table)]
        if statuses:
            conditions.append(among(table.c.status, [status.value for status in statuses]))
        if created_after is not None:
            conditions.append(table.c.created_at >= literal(bounded(created_after), BigInteger))
        if created_before is not None:
            conditions.append(table.c.created_at <= literal(bounded(created_before), BigInteger))
        columns = [column for column in table.c if messages or column is not table.c.messages]
        statement = select(*columns).where(*conditions).order_by(table.c.position)
        return [run_of(row) for row in await reach.execute(statement)]
