"""Records the last use of service accounts in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from agentos.db.contracts.service_accounts import ServiceAccount
from agentos.db.stores.service_accounts import ServiceAccountStore
from agentos.errors import DatabaseUnavailableError

logger = logging.getLogger("agentos.os")

EVERY: Final = timedelta(minutes=1)


class Usage:
    """Accounts whose use isn't stored yet; each is stored at most once a minute."""

    def __init__(self) -> None:
        self._pending: set[str] = set()
        self._news: asyncio.Event | None = None

    def note(self, account: ServiceAccount) -> None:
        """The account was used now."""
        if account.last_used_at is not None and datetime.now(UTC) - account.last_used_at < EVERY:
            return
        self._pending.add(account.id)
        if self._news is not None:
            self._news.set()

    @asynccontextmanager
    async def written(self, accounts: ServiceAccountStore) -> AsyncGenerator[None]:
        """Stores the noted uses while inside, and once more on exit."""
        self._news, closing = asyncio.Event(), asyncio.Event()
        writing = asyncio.create_task(self._write_on(accounts, self._news, closing))
        try:
            yield
        finally:
            closing.set()
            self._news.set()
            self._news = None
            await writing

    async def _write_on(
        self, accounts: ServiceAccountStore, news: asyncio.Event, closing: asyncio.Event
    ) -> None:
        is_last = False
        while not is_last:
            await news.wait()
            news.clear()
            is_last = closing.is_set()
            await self._write(accounts)

    async def _write(self, accounts: ServiceAccountStore) -> None:
        if not self._pending:
            return
        noted, self._pending = self._pending, set()
        try:
            await accounts.touch_service_accounts(sorted(noted))
        except DatabaseUnavailableError:
            logger.warning("Can't store the last use of %d service accounts", len(noted))
