"""Accepts runs: one statement gets or creates the session, inserts the run and reads what it needs."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, RowMapping, Text
from sqlalchemy.exc import IntegrityError

from agentos.db.connection.engine import Engine
from agentos.db.contracts.runs import OpenedRun, Placement, RunReads
from agentos.db.contracts.workers import Cancelling
from agentos.db.encoding import check_ids, id_or_none
from agentos.db.rows import opened, reading, run_of, run_row
from agentos.db.schema.columns import OBJECT, PAYLOAD, TEXTS, Content
from agentos.db.schema.tables import Tables
from agentos.db.sql.statements import assembled
from agentos.db.stores.media import KEPT, MediaStore, keeping
from agentos.db.stores.session_keys import fresh_keys, session_keys
from agentos.db.stores.store import check_owner
from agentos.errors import (
    AmbiguousSessionError,
    ConflictError,
    IdempotencyConflictError,
    NotFoundError,
    QueueFullError,
    RunLostError,
    SessionBusyError,
    StateTooLargeError,
)
from agentos.run.owner import Owner
from agentos.run.records import RunOutput, RunStatus
from agentos.run.request import Multitask, RunRequest

MAX_TITLE: Final = 80
"""Characters of the first message that are used as the session's title."""

_CANCELLING: Final[dict[Multitask | None, Cancelling]] = {"interrupt": "cancel", "rollback": "rollback"}
_OVER: Final = [status.value for status in RunStatus if status.is_final]
_ROW: Final[dict[str, Any]] = {
    "input": PAYLOAD,
    "messages": PAYLOAD,
    "details": PAYLOAD,
    "worker_id": Text,
    "durable": Boolean,
    "created_at": BigInteger,
    "history_runs": BigInteger,
    "memories": BigInteger,
}
_ACCEPTANCE: Final[dict[str, Any]] = {
    **_ROW,
    "request": PAYLOAD,
    "keys": TEXTS,
    "fresh_key": Text,
    "itself": OBJECT,
    "title": Content(),
    "defaults": OBJECT,
    "state": OBJECT,
    "background": Boolean,
    "multitask": Text,
    "idempotency_key": Text,
    "fingerprint": Text,
}
_MORE: Final[dict[str, Any]] = {
    "default_keys": TEXTS,
    "max_state": BigInteger,
    "max_keys": BigInteger,
    **KEPT,
}
_RULES: Final[dict[str, Any]] = {
    "cancelling": Text,
    "queue_limit": BigInteger,
    "user_queue_limit": BigInteger,
    "history_before": Text,
    "replaces": Text,
}


class AcceptanceStore(MediaStore):
    """Accepts new runs."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._accept_run = self._statement("accept_run", **_ACCEPTANCE)
        self._accept_run_with_state = self._statement("accept_run_with_state", **_ACCEPTANCE, **_MORE)
        self._admit_run = self._statement("admit_run", **_ACCEPTANCE, **_MORE, **_RULES)
        self._open_child = self._statement("open_child", **_ROW, **KEPT, over=TEXTS)
        self._queue_length = assembled(tables, "queue_length")

    async def accept_run(
        self,
        run: RunOutput,
        request: RunRequest,
        *,
        owner: Owner,
        reads: RunReads | None = None,
        placement: Placement | None = None,
    ) -> OpenedRun:
        """Gets or creates the session and inserts the run as PENDING or RUNNING, in one round trip.

        A run that must wait for its turn in the session is returned as PENDING. AmbiguousSessionError if
        several owners have the session, for ANYONE. ConflictError if any user has a run with the
        id. StateTooLargeError if the session's state would become too large. SessionBusyError,
        QueueFullError and IdempotencyConflictError according to the request.
        """
        placement = placement or Placement()
        check_owner(owner, run.user_id)
        check_ids(
            run_id=run.run_id,
            session_id=run.session_id,
            runnable_id=run.runnable_id,
            user_id=run.user_id,
            idempotency_key=request.idempotency_key,
        )
        self.check_state(request.session_state)
        async with keeping(run) as media:
            wanted = _wanted(run, request, reads or RunReads(), placement) | media
            wanted |= {"max_state": self.max_state_bytes, "max_keys": StateTooLargeError.max_keys}
            row = await self._accepted(run, request, wanted, placement, owner=owner)
            if row["refusal"]:
                return self._refused(run, request, row)
        changes = {"status": RunStatus(row["status"]), "user_id": row["user_id"]}
        accepted = run.model_copy(update=changes)
        found = opened(accepted, request, row, durable=placement.durable, session_state=row["session_state"])
        return await self._with_media(found, owner)

    async def open_child(
        self,
        run: RunOutput,
        request: RunRequest,
        *,
        owner: Owner,
        worker_id: str | None,
        durable: bool,
        reads: RunReads | None = None,
    ) -> OpenedRun:
        """Creates a nested run, or reopens the one that has its id.

        A paused one becomes RUNNING; a finished one is returned unchanged. RunLostError unless
        `parent_run_id` names a run that executes at this worker.
        """
        check_ids(run_id=run.run_id, runnable_id=run.runnable_id, parent_run_id=run.parent_run_id)
        async with keeping(run) as media:
            wanted = run_row(run) | reading(reads or RunReads()) | media
            wanted |= {"worker_id": worker_id, "durable": durable, "over": _OVER}
            rows = await self._reach(owner).execute(self._open_child, wanted)
        if not rows:
            raise RunLostError("The parent of this run no longer executes here.")
        row = rows[0]
        found, segment, is_new = run_of(row), row["segment"], row["is_new"]
        child = opened(found, request, row, durable=durable, segment=segment, is_new=is_new)
        return await self._with_media(child, owner)

    async def _accepted(
        self,
        run: RunOutput,
        request: RunRequest,
        wanted: dict[str, Any],
        placement: Placement,
        *,
        owner: Owner,
    ) -> RowMapping:
        """What the database says, with a status or a refusal. The session gets the first key that is free."""
        has_rules = _has_rules(run, request, placement)
        has_more = bool(request.session_state or wanted["defaults"] or wanted["media_keys"])
        keys = session_keys(run.session_id, user_id=run.user_id)
        fresh = fresh_keys(run.session_id, user_id=run.user_id)
        for key in (*fresh, fresh[-1]):  # another process may have made it in between
            given = wanted | {"keys": keys, "fresh_key": key}
            try:
                if has_rules:
                    row = await self._admitted(run, request, given, placement, owner=owner)
                else:
                    statement = self._accept_run_with_state if has_more else self._accept_run
                    turns = [self._session_turn(run)]
                    (row,) = await self._reach(owner).execute(statement, given, turns=turns)
            except IntegrityError as error:
                raise ConflictError("A run with this run_id already exists.") from error
            if row["refusal"] or row["status"] is not None:
                return row
        raise NotFoundError("Session")

    def _refused(self, run: RunOutput, request: RunRequest, row: RowMapping) -> OpenedRun:
        match row["refusal"]:
            case "state":
                raise StateTooLargeError(self.max_state_bytes)
            case "ambiguous":
                raise AmbiguousSessionError(run.session_id)
            case _:
                return _known(run, request, row)

    async def _admitted(
        self,
        run: RunOutput,
        request: RunRequest,
        wanted: dict[str, Any],
        placement: Placement,
        *,
        owner: Owner,
    ) -> RowMapping:
        is_queued = _is_queued(request, placement)
        source = request.source
        wanted |= {
            "cancelling": _CANCELLING.get(placement.multitask),
            "queue_limit": placement.queue_limit if is_queued else None,
            "user_queue_limit": placement.user_queue_limit if is_queued else None,
            "history_before": source and id_or_none(source.run_id),
            "replaces": request.replaces and id_or_none(request.replaces),
        }
        locks: list[tuple[str, ...]] = []
        if placement.multitask is not None or request.replaces is not None:
            locks.append(("session", run.session_id))
        if is_queued:
            locks.append(("queue",))
        if request.idempotency_key is not None:
            locks.append(("key", run.kind, run.runnable_id, request.idempotency_key))
        (row,) = await self._reach(owner).execute(
            self._admit_run,
            wanted,
            locks=[self._lock(*parts) for parts in locks],
            turns=[self._session_turn(run)],
            look=self._queue_length if is_queued else "",
        )
        return row


def _has_rules(run: RunOutput, request: RunRequest, placement: Placement) -> bool:
    """Whether accepting the run takes more than an insert."""
    return bool(
        run.status is RunStatus.PENDING
        or placement.multitask
        or request.background
        or request.idempotency_key is not None
        or request.source is not None
    )


def _is_queued(request: RunRequest, placement: Placement) -> bool:
    return request.background and placement.queue_limit is not None


def _wanted(run: RunOutput, request: RunRequest, reads: RunReads, placement: Placement) -> dict[str, Any]:
    return {
        **run_row(run),
        **reading(reads),
        "title": _title(run),
        "itself": [{"kind": run.kind, "id": run.runnable_id}],
        "state": request.session_state,
        "worker_id": placement.worker_id,
        "durable": placement.durable,
        "request": request.stored(),
        "background": request.background,
        "multitask": placement.multitask,
        "idempotency_key": request.idempotency_key,
        "fingerprint": request.fingerprint,
    }


def _known(run: RunOutput, request: RunRequest, row: RowMapping) -> OpenedRun:
    """The existing run of a repeated request. Raises an error that says why a new one isn't accepted."""
    match row["refusal"]:
        case "known" if row["is_same"]:
            found = {
                "run_id": row["known_run_id"],
                "status": RunStatus(row["known_status"]),
                "user_id": row["known_user_id"],
            }
            return OpenedRun(run=run.model_copy(update=found), request=request, is_new=False)
        case "known":
            raise IdempotencyConflictError("This idempotency key was already used for a different request.")
        case "answered":
            raise ConflictError(
                "The run has been regenerated, or is just now: regenerate its newest answer, or send "
                "replace_original=false to keep both."
            )
        case "busy":
            raise SessionBusyError("Another run of this session is still live.")
        case "full":
            raise QueueFullError("Too many runs are queued. Try again later.")
        case _:
            raise QueueFullError("Too many of your runs are queued. Try again later.")


def _title(run: RunOutput) -> str | None:
    beginning = run.input.input_content[: 10 * MAX_TITLE] if run.input else ""
    return " ".join(beginning.split())[:MAX_TITLE] or None
