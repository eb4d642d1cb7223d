"""Buffers records of the audit and writes them in the background.

A request only adds a record; one task chains the records and stores them in batches. While the database is
unavailable they wait, up to a limit. Records beyond it are dropped, which is logged and marked by a row of
its own, a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from agentos.db.contracts.audit import AuditEntry, AuditRecord
from agentos.db.stores.audit import AuditStore
from agentos.errors import ConflictError, DatabaseUnavailableError
from agentos.os.audit.anonymous import AnonymousDenials, AuditConfig
from agentos.os.audit.chain import chained

logger = logging.getLogger("agentos.audit")

MAX_WAITING: Final = 10_000
"""Maximum number of waiting records."""
BATCH: Final = 500
GATHER_SECONDS: Final = 0.2
"""Seconds to collect a batch. Under load, a batch costs as little as a row."""
RETRY_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 5.0
"""Seconds that a stopping server waits for an unavailable database."""


class AuditLog:
    """The records that aren't written yet, at most `bound`."""

    def __init__(
        self,
        *,
        bound: int = MAX_WAITING,
        config: AuditConfig | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._bound = bound
        self._anonymous = AnonymousDenials((config or AuditConfig()).anonymous_rows, clock)
        self._waiting: deque[AuditRecord] = deque()
        self._batch: list[AuditRecord] = []
        self._attempt: list[AuditEntry] = []
        self._lost = 0
        self._news: asyncio.Event | None = None

    def add(self, record: AuditRecord) -> None:
        """Adds a record to be written, if there is room."""
        if len(self._waiting) >= self._bound:
            if not self._lost:
                logger.error("Dropping audit records: %d are waiting already", self._bound)
            self._lost += 1
            return
        self._waiting.append(record)
        if self._news is not None:
            self._news.set()

    def add_anonymous(self, record: AuditRecord, address: str) -> None:
        """Adds a denial of an unknown caller: the first few of an address in a minute, then a count."""
        for each in self._anonymous.sampled(record, address):
            self.add(each)
        if self._news is not None:
            self._news.set()

    @asynccontextmanager
    async def written(self, trail: AuditStore) -> AsyncGenerator[None]:
        """Writes records while inside, and the rest on exit."""
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
                logger.error("Lost %d audit records: the database was unavailable at shutdown", left)

    async def _write_on(self, trail: AuditStore, news: asyncio.Event, closing: asyncio.Event) -> None:
        is_last = False
        while not is_last:
            await _woken(news, self._anonymous.seconds)
            await _until(closing, GATHER_SECONDS)
            news.clear()
            is_last = closing.is_set()
            for each in self._anonymous.counted(is_last=is_last):
                self.add(each)
            while not await self._attempted(trail):
                if closing.is_set():
                    await self._attempted(trail)  # once more: perhaps it was only this connection
                    return
                await _until(closing, RETRY_SECONDS)

    async def _attempted(self, trail: AuditStore) -> bool:
        """Tries to write; whether everything is written now."""
        try:
            while self._batch or self._waiting:
                await self._write(trail)
        except DatabaseUnavailableError:
            return False  # storage has logged the cause
        except Exception as error:  # noqa: BLE001 - the records stay, and whatever it is may pass
            logger.warning("Can't write the audit, retrying (%s)", type(error).__name__)
            return False
        return True

    async def _write(self, trail: AuditStore) -> None:
        """Writes one batch, exactly once: it is kept until it is known to be written."""
        if not self._batch:
            self._batch = self._taken()
        while not await self._arrived(trail):
            self._attempt = chained(await trail.audit_head(), self._batch)
            with suppress(ConflictError):  # another process was first
                await trail.append_audit(self._attempt)
                break
        self._batch, self._attempt = [], []

    async def _arrived(self, trail: AuditStore) -> bool:
        """Whether the last attempt was stored although it failed, because its response was lost."""
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


async def _woken(news: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
