"""The audit's hash chain: each hash covers the row and the previous hash.

Anyone who can read the table can detect an edited, missing or moved row, whoever changed it. Missing rows at
the end, or a chain that was rebuilt from some row on, can be detected only by comparison with a head that was
stored elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from agentos.db.contracts.audit import BEGINNING, AuditEntry, AuditQuery, AuditRecord, Link
from agentos.db.stores.audit import AuditStore
from agentos.errors import ConflictError

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of verifying the whole chain."""

    head: Link
    """The last valid row."""
    start: Link = BEGINNING
    """The row before the first one: the last that retention deleted, if it deleted any."""
    bad_seq: int | None = None
    """The first row that is missing or changed."""
    problem: str = ""


def hash_of(previous: str, seq: int, record: AuditRecord) -> str:
    """SHA-256, in hex, of the row's content and the previous hash, as JSON with sorted keys and no spaces."""
    content = asdict(record) | {"time": record.time.astimezone(UTC).isoformat(timespec="microseconds")}
    text = json.dumps([previous, seq, content], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def chained(head: Link, records: Iterable[AuditRecord]) -> list[AuditEntry]:
    """The rows for `records` after `head`."""
    entries: list[AuditEntry] = []
    for record in records:
        seq = head.seq + 1
        head = Link(seq, hash_of(head.hash, seq, record))
        entries.append(AuditEntry(seq, record, head.hash))
    return entries


async def append(trail: AuditStore, records: Sequence[AuditRecord]) -> None:
    """Appends records, even if other processes append at the same time."""
    while True:
        with suppress(ConflictError):
            return await trail.append_audit(chained(await trail.audit_head(), records))


async def prune(trail: AuditStore, *, older_than: timedelta | None = None, keep: int | None = None) -> int:
    """Deletes the rows at the beginning that are older, or beyond the latest `keep`; returns how many.

    Each batch leaves a row that names the last deleted one with its hash, where `verify` then starts. Only
    the owner of the table may do it: otherwise ConfigurationError.
    """
    count = 0
    while (last := await trail.prunable_audit(older_than=older_than, keep=keep)) is not None:
        record = AuditRecord(
            time=datetime.now(UTC), decision="pruned", reason="retention", resource_id=str(last)
        )
        with suppress(ConflictError):
            (mark,) = chained(await trail.audit_head(), [record])
            count += await trail.cut_audit(last, mark)
    return count


async def verify(trail: AuditStore, *, expected: Link | None = None) -> Verdict:
    """Verifies the chain from its start to its end.

    `expected`, a row that was stored elsewhere, must be in it, unless retention has deleted it. If rows are
    missing at the beginning, the latest `pruned` row must name the last of them.
    """
    start = await _start(trail)
    head = start
    if expected is not None and expected.seq == start.seq and expected != start:
        return Verdict(head, start, start.seq, "isn't the row that was expected there")
    while entries := await trail.read_audit(after=head.seq, limit=_PAGE):
        verdict = _follow(head, entries, expected)
        if verdict.bad_seq is not None:
            return replace(verdict, start=start)
        head = verdict.head
    if expected is not None and head.seq < expected.seq:
        return Verdict(head, start, head.seq + 1, "is missing, and so are all after it")
    return Verdict(head, start)


async def _start(trail: AuditStore) -> Link:
    """The row before the first one, as the latest `pruned` row names it."""
    marks = await trail.list_audit(AuditQuery(decision="pruned", limit=1))
    named = [Link.parse(mark.record.resource_id) for mark in marks.rows]
    return next((link for link in named if link is not None), BEGINNING)


def _follow(head: Link, entries: Sequence[AuditEntry], expected: Link | None) -> Verdict:
    for entry in entries:
        if entry.seq != head.seq + 1:
            return Verdict(head, bad_seq=head.seq + 1, problem="is missing")
        if hash_of(head.hash, entry.seq, entry.record) != entry.hash:
            return Verdict(head, bad_seq=entry.seq, problem="isn't what was written there")
        head = Link(entry.seq, entry.hash)
        if expected is not None and expected.seq == head.seq and expected != head:
            return Verdict(head, bad_seq=entry.seq, problem="isn't the row that was expected there")
    return Verdict(head)
