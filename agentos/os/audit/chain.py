"""The chain that the audit is: each row's hash covers the row and the hash of the one before.

So an edited, missing or moved row is found, whoever did it, by anybody who can read the table. That the last
rows are gone, or that everything from some row on was made anew, shows only to who noted a later head
elsewhere.
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
    """What a look at the whole chain has found."""

    head: Link
    """The last good row."""
    bad_seq: int | None = None
    """The first row that is missing or isn't what it was."""
    problem: str = ""


def hash_of(previous: str, seq: int, record: AuditRecord) -> str:
    """SHA-256, in hex, of a row's content and the hash before it, as JSON without spaces, keys sorted."""
    content = asdict(record) | {"time": record.time.astimezone(UTC).isoformat(timespec="microseconds")}
    text = json.dumps([previous, seq, content], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def chained(head: Link, records: Iterable[AuditRecord]) -> list[AuditEntry]:
    """The rows that `records` make behind `head`."""
    entries: list[AuditEntry] = []
    for record in records:
        seq = head.seq + 1
        head = Link(seq, hash_of(head.hash, seq, record))
        entries.append(AuditEntry(seq, record, head.hash))
    return entries


async def append(trail: AuditStore, records: Sequence[AuditRecord]) -> None:
    """Adds records behind the last row, whoever else adds some meanwhile."""
    while True:
        with suppress(ConflictError):
            return await trail.append_audit(chained(await trail.audit_head(), records))


async def verify(trail: AuditStore, *, expected: Link | None = None) -> Verdict:
    """Follows the chain from its beginning; `expected` must be one of its rows."""
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
