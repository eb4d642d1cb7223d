"""Records in the audit: every denial, every allowed write, and runs that the server ends by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from starlette.types import Message, Scope, Send

from agentos.db.contracts.audit import AuditDecision, AuditRecord
from agentos.os.audit.log import AuditLog
from agentos.os.http.lookup import path_of, served
from agentos.os.http.rate_limit import address_of
from agentos.os.http.request_id import id_of
from agentos.os.http.request_note import Note, note_of, take_note
from agentos.os.principal import NOBODY, Access, Principal
from agentos.run.records import RunOutput
from agentos.run.text import mended

READS: Final = frozenset({"GET", "HEAD", "OPTIONS", "QUERY"})
_UNKNOWN: Final = frozenset({401, 429})
"""Statuses of callers whose identity isn't known."""
_LONGEST: Final = 255


class Recording:
    """The record of one allowed request, made when its response starts."""

    def __init__(self, log: AuditLog, scope: Scope, access: Access) -> None:
        self._log = log
        self._scope = {**scope}  # routers write into theirs
        self._access = access
        self._note = take_note(scope, access.decision.reason)
        self._is_done = False

    def watching(self, send: Send) -> Send:
        """A `send` that observes the start of the response."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.finish(message["status"])
            await send(message)

        return sending

    def finish(self, status: int | None = None) -> None:
        """Adds the status of the response, or None if there was none. Only the first call has an effect."""
        if self._is_done:
            return
        self._is_done = True
        if self._note.denial is not None:
            self._add("denied", self._note.denial, status)
        elif _method(self._scope) not in READS:
            self._add("allowed", self._note.reason, status)

    def _add(self, decision: AuditDecision, reason: str, status: int | None) -> None:
        self._log.add(_record(self._scope, decision, reason, status, self._access.principal))


def begin(log: AuditLog | None, scope: Scope, access: Access) -> Recording | None:
    """Starts a recording of the request. None without an audit, or if an outer gate already records it."""
    note = note_of(scope)
    if note is not None:
        note.reason = access.decision.reason
        return None
    return None if log is None else Recording(log, scope, access)


def refused(log: AuditLog | None, scope: Scope, code: str, status: int, principal: Principal) -> None:
    """Records a denied request."""
    note: Note | None = note_of(scope)
    if note is not None:
        note.denial = code
    elif log is not None:
        record = _record(scope, "denied", code, status, principal)
        if principal is NOBODY or status in _UNKNOWN:
            log.add_anonymous(record, address_of(scope))
        else:
            log.add(record)


def ended(log: AuditLog | None, run: RunOutput) -> None:
    """Records that the server ended a run that nobody asked it to end."""
    if log is not None:
        log.add(
            AuditRecord(
                time=datetime.now(UTC),
                decision="ended",
                reason=run.error_type or run.status.value,
                resource_id=f"{run.runnable_id}/{run.run_id}"[:_LONGEST],
                principal=run.user_id,
            )
        )


def _record(
    scope: Scope, decision: AuditDecision, reason: str, status: int | None, principal: Principal
) -> AuditRecord:
    found = served(scope)
    return AuditRecord(
        time=datetime.now(UTC),
        decision=decision,
        reason=reason,
        status=status,
        method=mended(_method(scope))[:_LONGEST],
        route=found.pattern if found.is_full else None,
        resource_id=_resource(found.pattern, path_of(scope)) if found.is_full else None,
        principal=principal.user_id,
        token_ref=principal.token_ref,
        request_id=id_of(scope),
    )


def _method(scope: Scope) -> str:
    return scope["method"] if scope["type"] == "http" else "GET"


def _resource(pattern: str, path: str) -> str | None:
    """The values in `path` of the wildcards in `pattern`."""
    wanted, given = pattern.split("/"), path.split("/")
    found = [have for want, have in zip(wanted, given, strict=False) if want == "*" or want[:1] == "{"]
    if wanted[-1] == "*":
        found += given[len(wanted) :]
    return mended("/".join(found))[:_LONGEST] or None
