"""Branching a conversation."""

from __future__ import annotations

from sqlalchemy import Text

from agentos.db.connection.engine import Engine
from agentos.db.encoding import check_ids, id_or_none
from agentos.db.schema.tables import Tables
from agentos.db.stores.store import Store
from agentos.errors import ConflictError
from agentos.run.owner import Owner
from agentos.run.records import Session


class ForkStore(Store):
    """Copies of sessions."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._fork = self._statement("fork_session", through_run_id=Text)

    async def fork_session(
        self, session_id: str, *, new_session_id: str, through_run_id: str | None = None, owner: Owner
    ) -> Session | None:
        """Copies a session with its runs that have ended, up to `through_run_id`; None if there is none.

        The copies have ids of their own and say in `forked_from_run_id` whose they are. Nested runs and event
        logs stay behind. ConflictError if there is nothing to copy or the new id is taken.
        """
        check_ids(new_session_id=new_session_id, through_run_id=through_run_id)
        wanted = {
            "session_id": id_or_none(session_id),
            "new_session_id": new_session_id,
            "through_run_id": through_run_id,
        }
        row = dict((await self._reach(owner).execute(self._fork, wanted))[0])
        is_there, has_runs = row.pop("is_there"), row.pop("has_runs")
        if not is_there:
            return None
        if not has_runs:
            which = "no run" if through_run_id is None else f"no run {through_run_id!r}"
            raise ConflictError(f"The session has {which} of its own that has ended.")
        if row["session_id"] is None:
            raise ConflictError("There is a session with this session_id already.")
        return Session.model_validate(row)
