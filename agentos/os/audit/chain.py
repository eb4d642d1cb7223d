"""The audit's hash chain: each hash covers the row and the previous hash.

Anyone who can read the table can detect an edited, missing or moved row, whoever changed it. Missing rows at
the end, or a chain that was rebuilt from some row on, can be detected only by comparison with a head that was
stored elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC
from hashlib import sha256
from typing import Final

from agentos.db.contracts.audit import BEGINNING, AuditEntry, AuditRecord, Link
from agentos.db.stores.audit import AuditStore
from agentos.errors import ConflictError

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of verifying the whole chain."""

    head: Link
    """The last valid row."""
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


async def verify(trail: AuditStore, *, expected: Link | None = None) -> Verdict:
    """Verifies the chain from its start; `expected` must be one of its rows."""
    head = BEGINNING
    while entries := await trail.read_audit(after=head.seq, limit=_PAGE):
        verdict = _follow(head, entries, expected)
        if verdict.bad_seq is not None:
            return verdict
        head = verdict.head
    if expected is not None and head.seq < expected.seq:
        return Verdict(head, head.seq + 1, "is missing, and so are all after it")
    return Verdict(head)


def _follow(head: Link, entries: Sequence[AuditEntry], expected: Link | None) -> Verdict:
    for entry in entries:
        if entry.seq != head.seq + 1:
            return Verdict(head, head.seq + 1, "is missing")
        if hash_of(head.hash, entry.seq, entry.record) != entry.hash:
            return Verdict(head, entry.seq, "isn't what was written there")
        head = Link(entry.seq, entry.hash)
        if expected is not None and expected.seq == head.seq and expected != head:
            return Verdict(head, entry.seq, "isn't the row that was expected there")
    return Verdict(head)
