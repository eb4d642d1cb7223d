"""What was decided, kept until it is written: the audit, behind the requests' backs.

A request only leaves a note; one task chains the notes and stores them in batches. While the database is away
they wait, up to a bound. What doesn't fit is dropped, which is logged and leaves a row of its own, a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from agentos.db.contracts.audit import AuditEntry, AuditRecord
from agentos.db.stores.audit import AuditStore
from agentos.errors import ConflictError
from agentos.os.audit.chain import chained

logger = logging.getLogger("agentos.audit")

MAX_WAITING: Final = 10_000
"""Records."""
BATCH: Final = 500
GATHER_SECONDS: Final = 0.2
"""How long a record may wait for company: under load a batch costs as little as a row."""
RETRY_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 5.0
"""How long the end of a server waits for a database that is away."""


class AuditLog:
    """The records that aren't written yet, at most `bound` of them."""

    def __init__(self, *, bound: int = MAX_WAITING) -> None:
        self._bound = bound
        self._waiting: deque[AuditRecord] = deque()
        self._batch: list[AuditRecord] = []
        self._attempt: list[AuditEntry] = []
        self._lost = 0
        self._news: asyncio.Event | None = None

    def add(self, record: AuditRecord) -> None:
        """Keeps the record to be written, if there is room."""
        if len(self._waiting) >= self._bound:
            if not self._lost:
                logger.error("The audit can't be written: %d records wait, others are lost", self._bound)
            self._lost += 1
            return
        self._waiting.append(record)
        if self._news is not None:
            self._news.set()

    @asynccontextmanager
    async def written(self, trail: AuditStore) -> AsyncGenerator[None]:
        """Writes records while inside, and the rest at the end."""
        self._news, closing = asyncio.Event(), asyncio.Event()
        self._news.set()
        writing = asyncio.create_task(self._write_on(trail, self._news, closing))
        try:
            yield
        finally:
            closing.set()
            self._news.set()
            self._news = None
            _, stuck = await asyncio.wait([writing], timeout=FLUSH_SECONDS)
            for task in stuck:
                task.cancel()
                await asyncio.wait([task])
            if left := len(self._batch) + len(self._waiting) + self._lost:
                logger.error("The audit couldn't be written at the end: %d records are lost", left)

    async def _write_on(self, trail: AuditStore, news: asyncio.Event, closing: asyncio.Event) -> None:
        is_last = False
        while not is_last:
            await news.wait()
            await _until(closing, GATHER_SECONDS)
            news.clear()
            is_last = closing.is_set()
            while not await self._attempted(trail):
                if closing.is_set():
                    await self._attempted(trail)  # once more: perhaps it was only this connection
                    return
                await _until(closing, RETRY_SECONDS)

    async def _attempted(self, trail: AuditStore) -> bool:
        """Whether everything is written now."""
        try:
            while self._batch or self._waiting:
                await self._write(trail)
        except Exception as error:  # noqa: BLE001 - the records stay, and whatever it is may pass
            logger.warning("The audit can't be written at the moment (%s)", type(error).__name__)
            return False
        return True

    async def _write(self, trail: AuditStore) -> None:
        """Writes one batch. It stays the batch until it is known to be written, and is written once."""
        if not self._batch:
            self._batch = self._taken()
        while not await self._arrived(trail):
            self._attempt = chained(await trail.audit_head(), self._batch)
            with suppress(ConflictError):  # another process was first
                await trail.append_audit(self._attempt)
                break
        self._batch, self._attempt = [], []

    async def _arrived(self, trail: AuditStore) -> bool:
        """Whether the last attempt, which failed, has been stored all the same: an answer may get lost."""
        if not self._attempt:
            return False
        last = self._attempt[-1]
        found = await trail.read_audit(after=last.seq - 1, limit=1)
        return found[:1] == [last]

    def _taken(self) -> list[AuditRecord]:
        taken = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        if self._lost:
            reason = f"{self._lost} records lost"
            self._waiting.append(AuditRecord(time=datetime.now(UTC), decision="gap", reason=reason))
            self._lost = 0
        return taken


async def _until(closing: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closing.wait()
