"""States that sessions had after a run: the present one, with what later changes have replaced put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

from sqlalchemy import RowMapping

from agentos.db.connection.engine import Engine, Reach
from agentos.db.connection.transaction import Transaction
from agentos.db.encoding import is_id
from agentos.db.schema.columns import TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.stores.session_keys import SessionKeys
from agentos.run.owner import Owner
from agentos.run.records import Json


class StateStore(SessionKeys):
    """Reads earlier states. They are written where the state is changed."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._read_states = self._statement("read_states", run_ids=TEXTS)

    async def state_after(self, run_id: str, *, owner: Owner) -> Json | None:
        """The session's state after the run; None if it hasn't ended, or doesn't exist."""
        if not is_id(run_id):
            return None
        # Of one run, all changes that are read came after it.
        return (await self._states({run_id: 0}, self._reach(owner))).get(run_id)

    async def _states(self, versions: Mapping[str, int], reach: Reach | Transaction) -> dict[str, Json]:
        """The states after these runs of one session, by run."""
        if not versions:
            return {}
        return _states_after(versions, await reach.execute(self._read_states, {"run_ids": list(versions)}))


def versions_of(runs: Sequence[RowMapping]) -> dict[str, int]:
    """The version of the session's state after each of the runs, by run, where it is known."""
    return {row["run_id"]: row["state_version"] for row in runs if row["state_version"] is not None}


def _states_after(versions: Mapping[str, int], rows: Sequence[RowMapping]) -> dict[str, Json]:
    """What the statement `read_states` has found of one session, by run."""
    if not rows:
        return {}
    state, states = dict(rows[0]["session_state"]), dict[str, Json]()
    changes = [*(rows[0]["changes"] or ())][::-1]  # oldest first: the end is taken
    for run_id, version in sorted(versions.items(), key=itemgetter(1), reverse=True):
        while changes and changes[-1][0] > version:
            _, key, value, was_absent = changes.pop()
            if was_absent:
                state.pop(key, None)
            else:
                state[key] = value
        states[run_id] = dict(state)
    return states
