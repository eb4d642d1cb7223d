"""Accepting a run that there are rules for: turns in its session, a queue, a request that comes twice.

The locks that go with the statement make it exact: whoever asks for the same session, queue or key waits, and
sees what was decided before.
"""

from __future__ import annotations

from string import Template
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, RowMapping, Text, TextClause

from agentos.db.contracts.runs import Accepted, Multitask, RunRequest
from agentos.db.contracts.workers import Cancelling
from agentos.db.encoding import id_or_none
from agentos.db.schema.tables import Tables
from agentos.db.sql.acceptance import HISTORY, MEMORIES, RUN, SESSION, accepted, parameters, prepared
from agentos.db.sql.notifications import QUEUE, tell
from agentos.errors import IdempotencyConflictError, NotFoundError, QueueFullError, SessionBusyError
from agentos.run.records import RunStatus

_CANCELLING: Final[dict[Multitask | None, Cancelling]] = {"interrupt": "cancel", "rollback": "rollback"}

# A policy sees only what its owner may see, but the queue is everybody's.
_LOOK: Final = """
SELECT set_config(
    'agentos.queued',
    (SELECT count(*) FROM $runs WHERE status = 'PENDING' AND background)::text,
    true
)
"""

_LIVE: Final = """
    r.session_id = :session_id
    AND r.kind = :kind
    AND r.runnable_id = :runnable_id
    AND r.parent_run_id IS NULL
    AND r.status IN ('PENDING', 'RUNNING')
    AND (:anyone OR r.user_id = :owner)
    AND :multitask IS NOT NULL
"""

_EARLIER: Final = "AND position < coalesce((SELECT position FROM earlier), 9223372036854775807)"

_VALUES: Final = """, :background, :multitask, :idempotency_key, :fingerprint,
        (SELECT position FROM earlier)"""

# The session's row is locked before its runs' rows, as when a run is finished. A run that ends meanwhile
# finds that it is awaited, or has been seen to be over.
_ADMIT: Final = Template("""
WITH target AS (
    SELECT user_id FROM $sessions WHERE session_id = :session_id
    UNION ALL
    SELECT :user_id WHERE NOT EXISTS (SELECT FROM $sessions WHERE session_id = :session_id)
), known AS (
    SELECT r.run_id, r.status, r.user_id, r.fingerprint IS NOT DISTINCT FROM :fingerprint AS is_same
    FROM $runs AS r, target
    WHERE coalesce(r.user_id, '') = coalesce(target.user_id, '')
        AND r.kind = :kind
        AND r.runnable_id = :runnable_id
        AND r.idempotency_key = :idempotency_key
        AND (:anyone OR r.user_id = :owner)
), live AS (
    SELECT FROM $runs AS r WHERE $is_live
), earlier AS (
    SELECT position FROM $runs WHERE run_id = :history_before AND session_id = :session_id
), rules AS (
    SELECT
        CASE
            WHEN EXISTS (SELECT FROM known) THEN 'known'
            WHEN :multitask = 'reject' AND EXISTS (SELECT FROM live) THEN 'busy'
            WHEN nullif(current_setting('agentos.queued', true), '')::bigint >= :queue_limit THEN 'full'
            WHEN :user_queue_limit <= (
                SELECT count(*) FROM $runs AS r, target
                WHERE r.status = 'PENDING' AND r.background
                    AND coalesce(r.user_id, '') = coalesce(target.user_id, '')
            ) THEN 'full for the user'
        END AS refusal,
        CASE WHEN EXISTS (SELECT FROM live) THEN 'PENDING' ELSE :status END AS status
), $session, $run, waited AS (
    SELECT r.run_id, r.cancelling
    FROM $runs AS r, run
    WHERE $is_live
    ORDER BY r.run_id
    FOR NO KEY UPDATE OF r
), marked AS (
    UPDATE $runs AS r
    SET awaited = true, cancelling = coalesce(r.cancelling, :cancelling)
    FROM waited
    WHERE r.run_id = waited.run_id
)
SELECT
    refusal,
    known.run_id AS known_run_id,
    known.status AS known_status,
    known.user_id AS known_user_id,
    known.is_same,
    session.user_id,
    session_state,
    run.status,
    $history,
    $memories_read,
    CASE WHEN :cancelling IS NOT NULL THEN $telling END AS told,
    (SELECT $queue FROM run WHERE status = 'PENDING') AS queue
FROM rules LEFT JOIN known ON true LEFT JOIN session ON true LEFT JOIN run ON true
""").safe_substitute(
    is_live=_LIVE,
    session=SESSION.safe_substitute(allowed="FROM rules WHERE refusal IS NULL"),
    run=RUN.safe_substitute(
        status="(SELECT status FROM rules)",
        more=", background, multitask, idempotency_key, fingerprint, history_before",
        values=_VALUES,
        returning="RETURNING status",
    ),
    history=HISTORY.safe_substitute(session=":session_id", before=_EARLIER),
    memories_read=MEMORIES,
    telling=tell("cancel", "waited WHERE cancelling IS NULL"),
    queue=QUEUE,
)


def has_rules(request: RunRequest) -> bool:
    """Whether accepting it takes more than writing it down."""
    return bool(
        request.run.status is RunStatus.PENDING
        or request.multitask
        or request.background
        or request.idempotency_key is not None
        or request.history_before is not None
    )


class Admission:
    """The statement for requests that have rules."""

    def __init__(self, tables: Tables) -> None:
        self.statement: TextClause = prepared(
            tables,
            _ADMIT,
            background=Boolean,
            multitask=Text,
            cancelling=Text,
            queue_limit=BigInteger,
            user_queue_limit=BigInteger,
        )
        self._look = tables.named(_LOOK)

    def look(self, request: RunRequest) -> str:
        """What has to be found out before."""
        return self._look if _is_queued(request) else ""


def locks(request: RunRequest) -> list[tuple[str, ...]]:
    """What nobody else may decide about meanwhile."""
    run = request.run
    wanted: list[tuple[str, ...]] = []
    if request.multitask is not None:
        wanted.append(("session", run.session_id))
    if _is_queued(request):
        wanted.append(("queue",))
    if request.idempotency_key is not None:
        wanted.append(("key", run.kind, run.runnable_id, request.idempotency_key))
    return wanted


def wishes(request: RunRequest) -> dict[str, Any]:
    """What the statement needs to know of a request."""
    before = request.history_before
    return parameters(request) | {
        "background": request.background,
        "multitask": request.multitask,
        "cancelling": _CANCELLING.get(request.multitask),
        "queue_limit": request.queue_limit if _is_queued(request) else None,
        "user_queue_limit": request.user_queue_limit if _is_queued(request) else None,
        "idempotency_key": request.idempotency_key,
        "fingerprint": request.fingerprint,
        "history_before": before and id_or_none(before),
    }


def admitted(request: RunRequest, row: RowMapping) -> Accepted:
    """What the statement's row says, or the error that says why not."""
    match row["refusal"]:
        case "known" if row["is_same"]:
            return Accepted(
                run_id=row["known_run_id"],
                status=RunStatus(row["known_status"]),
                is_new=False,
                user_id=row["known_user_id"],
                session_state={},
                history=[],
                memories=[],
            )
        case "known":
            raise IdempotencyConflictError("This idempotency key was sent before, with another request.")
        case "busy":
            raise SessionBusyError("Another run of this session hasn't ended yet.")
        case "full":
            raise QueueFullError("Too many runs wait for their turn. Try again later.")
        case "full for the user":
            raise QueueFullError("Too many of your runs wait for their turn. Try again later.")
        case _ if row["status"] is None:
            raise NotFoundError("Session")
        case _:
            return accepted(request.run.run_id, row)


def _is_queued(request: RunRequest) -> bool:
    return request.background and request.queue_limit is not None
