"""Exports and imports sessions as lines of JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from pydantic_core import from_json, to_json
from sqlalchemy import JSON, ColumnElement, RowMapping, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert

from agentos.db.connection.engine import Engine
from agentos.db.connection.transaction import Transaction
from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.runs import StateChange
from agentos.db.contracts.transfer import (
    EventLine,
    Imported,
    MediaLine,
    Reading,
    RunLine,
    SessionLine,
    StateLine,
    written,
)
from agentos.db.encoding import check_ids
from agentos.db.rows import run_of, run_row, session_of
from agentos.db.schema.columns import PAYLOAD
from agentos.db.schema.tables import Tables
from agentos.db.stores.session_keys import the_one
from agentos.db.stores.states import StateStore, versions_of
from agentos.errors import ConflictError, NotFoundError
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunOutput, RunStatus, Session

RUNS: Final = 10
EVENTS: Final = 500
"""Events in memory at once."""

_LEFT_OUT: Final = [status.value for status in RunStatus if not status.is_final]


class TransferStore(StateStore):
    """Sessions as lines of JSON."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._import_events = self._statement("import_events", batch=PAYLOAD)

    async def export_session(self, session_id: str, *, owner: Owner) -> AsyncGenerator[str]:
        """A snapshot of the session as JSON lines (`contracts.transfer`). NotFoundError on the first line."""
        async with self._engine.transaction(owner, isolation="REPEATABLE READ") as transaction:
            line, key = await self._session_line(transaction, session_id, owner)
            yield written(line)
            async for media in self._media(transaction, key):
                yield written(media)
            position = 0
            before: Json = {}
            while rows := await self._runs_after(transaction, key, position):
                states = await self._states(versions_of(rows), transaction)
                for row in rows:
                    run = run_of(row)
                    change = None
                    if (after := states.get(run.run_id, run.session_state)) is not None:
                        change = StateChange.between(before, after)
                        run.session_state, before = None, after
                    yield written(RunLine(events=row["events"], run=run, state=_line_of(change)))
                    async for event in self._log(transaction, run.run_id):
                        yield written(EventLine(seq=event.seq, name=event.name, text=event.text))
                    position = row["position"]

    async def import_session(
        self,
        lines: AsyncIterable[str | bytes],
        *,
        owner: Owner,
        user_id: str | None = None,
        new_ids: bool = False,
    ) -> Imported:
        """Imports a session in one transaction.

        It is assigned to `user_id`, else to the owner, else (for ANYONE) to its original user. Its time of
        last change is now. InvalidInputError names the invalid line. ConflictError if an id is taken, which
        can't happen with `new_ids`.
        """
        reading, making = Reading(), _Making(owner, user_id, new_ids=new_ids)
        async with self._engine.transaction(owner) as transaction:
            async for text in lines:
                match reading.read(text):
                    case SessionLine() as line:
                        session = making.session(line.session)
                        making.key = await self._add_session(transaction, session, owner=owner)
                    case MediaLine() as line:
                        await self._add_media(transaction, making, line)
                    case RunLine() as line:
                        await self._flush(transaction, making)
                        await self._add_run(transaction, making, line)
                    case EventLine() as line:
                        making.event(line.event)
                        if len(making.waiting) == EVENTS:
                            await self._flush(transaction, making)
            reading.end()
            await self._flush(transaction, making)
            await self._end_states(transaction, making)
        return Imported(making.session_id, making.user_id, making.runs, making.events)

    async def _session_line(
        self, transaction: Transaction, session_id: str, owner: Owner
    ) -> tuple[SessionLine, str]:
        """The session, and its key."""
        sessions, runs = self._tables.sessions, self._tables.runs
        has_ended = self._has_ended()
        inside = (runs.c.session_id == sessions.c.session_id, self._reach(owner).covers(runs))
        counts = (
            select(func.count()).select_from(runs).where(*inside, is_so) for is_so in (has_ended, ~has_ended)
        )
        ended, others = (count.scalar_subquery() for count in counts)
        media = select(func.count()).where(self._tables.media.c.session_id == sessions.c.session_id)
        found = await transaction.execute(
            self._meant(session_id, owner).add_columns(
                ended.label("ended"), others.label("others"), media.scalar_subquery().label("media")
            )
        )
        row = the_one(found, session_id)
        if row is None:
            raise NotFoundError("Session", session_id)
        numbers = {"runs": row["ended"], "left_out": row["others"], "media": row["media"]}
        return SessionLine(session=session_of(row), **numbers), row["session_id"]

    async def _media(self, transaction: Transaction, session_key: str) -> AsyncGenerator[MediaLine]:
        table, after = self._tables.media, ""
        matching = select(table.c.key, table.c.mime_type, table.c.content).where(
            table.c.session_id == session_key
        )
        while rows := await transaction.execute(
            matching.where(table.c.key > after).order_by(table.c.key).limit(1)
        ):
            (row,) = rows
            yield MediaLine(key=row["key"], mime_type=row["mime_type"], content=b64encode(row["content"]))
            after = row["key"]

    async def _runs_after(
        self, transaction: Transaction, session_key: str, position: int
    ) -> Sequence[RowMapping]:
        table, events = self._tables.runs, self._tables.events
        logged = select(func.count()).select_from(events).where(events.c.run_id == table.c.run_id)
        return await transaction.execute(
            select(table, logged.scalar_subquery().label("events"))
            .where(table.c.session_id == session_key, self._has_ended(), table.c.position > position)
            .order_by(table.c.position)
            .limit(RUNS)
        )

    def _has_ended(self) -> ColumnElement[bool]:
        """Whether a run has ended with the run that it is part of: without that one it belongs to nothing."""
        table = self._tables.runs
        root = table.alias()
        root_has_ended = select(root.c.run_id).where(
            root.c.run_id == func.coalesce(table.c.root_run_id, table.c.run_id),
            root.c.session_id == table.c.session_id,
            root.c.status.not_in(_LEFT_OUT),
        )
        return and_(table.c.status.not_in(_LEFT_OUT), root_has_ended.exists())

    async def _log(self, transaction: Transaction, run_id: str) -> AsyncGenerator[LoggedEvent]:
        table = self._tables.events
        lines = select(table.c.seq, table.c.name, table.c.text).where(table.c.run_id == run_id)
        after = 0
        while rows := await transaction.execute(
            lines.where(table.c.seq > after).order_by(table.c.seq).limit(EVENTS)
        ):
            for row in rows:
                yield LoggedEvent(**row)
            after = rows[-1]["seq"]

    async def _add_session(self, transaction: Transaction, session: Session, *, owner: Owner) -> str:
        """Returns the key of the new session."""
        now = datetime.now(UTC)
        row = await self._add(session.model_copy(update={"updated_at": now}), transaction, owner=owner)
        if row is None:
            raise ConflictError(f"Session {session.session_id!r} already exists: import it with new ids.")
        return row["session_id"]

    async def _add_media(self, transaction: Transaction, making: _Making, line: MediaLine) -> None:
        row = {"key": line.key, "mime_type": line.mime_type, "content": line.content}
        whose = {"session_id": making.key, "user_id": making.user_id}
        adding = insert(self._tables.media).values({**row, **whose})
        await transaction.execute(adding.on_conflict_do_nothing())

    async def _add_run(self, transaction: Transaction, making: _Making, line: RunLine) -> None:
        table, run = self._tables.runs, making.run(line.run)
        await self._note(transaction, making, _after(making.state, line))
        given = None if making.key == run.session_id else run.session_id
        version = making.version if run.parent_run_id is None else None
        named = {"session_id": making.key, "given_session_id": given, "state_version": version}
        adding = insert(table).values(run_row(run) | named).on_conflict_do_nothing()
        if not await transaction.execute(adding.returning(table.c.run_id)):
            raise ConflictError(f"Run {run.run_id!r} already exists: import the session with new ids.")

    async def _end_states(self, transaction: Transaction, making: _Making) -> None:
        """Notes what differs between the state after the last run and the session's own."""
        table = self._tables.sessions
        await self._note(transaction, making, making.final_state)
        await transaction.execute(
            update(table).where(table.c.session_id == making.key).values(state_version=making.version)
        )

    async def _note(self, transaction: Transaction, making: _Making, after: Json) -> None:
        """Adds the values that the next state replaces."""
        self.check_state(after)
        before, change = making.state, StateChange.between(making.state, after)
        keys = [*change.put, *change.removed]
        if not keys:
            return
        making.state, making.version = after, making.version + 1
        common = {"session_id": making.key, "user_id": making.user_id, "version": making.version}
        rows = [
            {**common, "place": place, "key": key, "value": _old(before, key)}
            for place, key in enumerate(keys, 1)
        ]
        for start in range(0, len(rows), EVENTS):
            await transaction.execute(insert(self._tables.state_changes).values(rows[start : start + EVENTS]))

    async def _flush(self, transaction: Transaction, making: _Making) -> None:
        batch = [{"seq": event.seq, "name": event.name, "text": event.text} for event in making.waiting]
        if batch:
            await transaction.execute(self._import_events, {"run_id": making.run_id, "batch": batch})
        making.waiting.clear()


class _Making:
    """The owner and the ids of the imported rows."""

    def __init__(self, owner: Owner, user_id: str | None, *, new_ids: bool) -> None:
        self._namespace = uuid4() if new_ids else None
        self.user_id = user_id if user_id is not None or owner is ANYONE else owner
        self.session_id = self.run_id = self._old_session_id = ""
        self.waiting: list[LoggedEvent] = []
        """Events of the last run that aren't stored yet."""
        self.runs = self.events = 0
        self.key = ""
        """The session's key."""
        self.state: Json = {}
        """The session's state after the last run."""
        self.version = 0
        self.final_state: Json = {}
        self._read: set[str] = set()
        """The runs so far, by their old ids."""

    def session(self, session: Session) -> Session:
        self.final_state = session.session_state
        self.user_id = session.user_id if self.user_id is None else self.user_id
        self._old_session_id = session.session_id
        self.session_id = _other(self._namespace, session.session_id)
        return session.model_copy(update={"session_id": self.session_id, "user_id": self.user_id})

    def run(self, run: RunOutput) -> RunOutput:
        self.run_id, self.runs = _other(self._namespace, run.run_id), self.runs + 1
        self._read.add(run.run_id)
        forked_from = run.forked_from_run_id
        changed: dict[str, Any] = {
            "run_id": self.run_id,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "parent_run_id": self._referred(run.parent_run_id),
            "root_run_id": self._referred(run.root_run_id),
            "regenerated_from": self._referred(run.regenerated_from),
            "forked_from_run_id": self._referred(forked_from) if forked_from in self._read else forked_from,
            "tools": [
                tool.model_copy(update={"child_run_id": self._referred(tool.child_run_id)})
                for tool in run.tools
            ],
        }
        check_ids(run_id=self.run_id, runnable_id=run.runnable_id, parent_run_id=changed["parent_run_id"])
        return run.model_copy(update=changed)

    def event(self, event: LoggedEvent) -> None:
        self.events += 1
        text = event.text if self._namespace is None else self._renamed(event.text)
        self.waiting.append(LoggedEvent(event.seq, event.name, text))

    def _renamed(self, text: str) -> str:
        fields: dict[str, Any] = from_json(text)
        if fields.get("session_id") == self._old_session_id:
            fields["session_id"] = self.session_id
        for name in ("run_id", "parent_run_id"):
            if isinstance(fields.get(name), str):
                fields[name] = self._referred(fields[name])
        return to_json(fields).decode()

    def _referred(self, run_id: str | None) -> str | None:
        return None if run_id is None else _other(self._namespace, run_id)


def _line_of(change: StateChange | None) -> StateLine | None:
    return None if change is None else StateLine(put=dict(change.put), removed=list(change.removed))


def _after(before: Json, line: RunLine) -> Json:
    """The state after a run."""
    if line.state is None:
        return before if line.run.session_state is None else line.run.session_state
    removed = set(line.state.removed)
    return {key: value for key, value in before.items() if key not in removed} | line.state.put


def _old(state: Json, key: str) -> Any:
    """The value of a key, as SQLAlchemy tells a null from none."""
    value = state.get(key)
    return JSON.NULL if value is None and key in state else value


def _other(namespace: UUID | None, old: str) -> str:
    """The new id for an old one. Always the same, since a reference may precede its target."""
    return old if namespace is None else str(uuid5(namespace, old))
