"""Refreshes keys while the server runs: when they are old, or when a token names an unknown one.

Only one refresh runs at a time, in a separate task, regardless of the number of requests. A failed refresh
changes nothing: cached keys stay in use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import ceil, inf
from time import monotonic
from typing import Final

from agentos.errors import UnavailableError
from agentos.os.tokens.keys.key import Key
from agentos.os.tokens.keys.key_set import JwksError, KeySet

COOL_DOWN: Final = 10.0
"""Seconds without another refresh after one that failed or didn't find the requested key."""

logger = logging.getLogger("agentos.auth")


class KeysUnavailableError(UnavailableError):
    """No key has been available since the server started, so tokens can't be verified."""

    code = "keys_unavailable"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Tokens can't be verified at the moment: their keys couldn't be fetched yet.")
        self.retry_after = retry_after


class ChangingKeys:
    """The keys from `read`, which raises JwksError if it has none; `first` if they are known already."""

    def __init__(
        self,
        read: Callable[[], Awaitable[KeySet]],
        *,
        first: KeySet | None = None,
        cool_down: float = COOL_DOWN,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read = read
        self._keys = first
        self._cool_down = cool_down
        self._clock = clock
        self._looked_at = clock() if first else -inf
        self._good_until = self._looked_at + first.max_age if first else -inf
        self._not_before = -inf
        self._look: asyncio.Task[None] | None = None

    @property
    def are_missing(self) -> bool:
        """Whether no key has ever been available."""
        return self._keys is None

    @property
    def retry_after(self) -> int:
        """Seconds until the next refresh is allowed, at least one."""
        return ceil(max(1.0, self._not_before - self._clock()))

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Starts the first refresh without waiting for it. On exit, no refresh is running."""
        if self._keys is None:
            self._begin()
        try:
            yield
        finally:
            if self._look is not None and not self._look.done():
                self._look.cancel()
                await asyncio.wait([self._look])
                self._not_before = -inf

    async def for_token(self, kid: str | None) -> tuple[Key, ...]:
        """The keys named `kid`, else those without a name. Empty if no key has ever been available."""
        await self._freshen()
        if kid is not None and not self._named(kid):
            await self._look_for(kid)
        return self._named(kid) or (() if self._keys is None else self._keys.nameless)

    def _named(self, kid: str | None) -> tuple[Key, ...]:
        return () if self._keys is None else self._keys.named(kid)

    async def _freshen(self) -> None:
        """Uses old keys while new ones are fetched, but not keys that are far too old."""
        now = self._clock()
        if self._keys is None or now - self._looked_at > 2 * self._keys.max_age:
            await self._looked()
        elif now >= self._good_until:
            self._begin()

    async def _look_for(self, kid: str) -> None:
        while True:
            # A look that others began may have passed the place before the key was put there.
            is_late = self._look is not None and not self._look.done()
            if not await self._looked() or self._named(kid):
                return
            if not is_late:
                self._not_before = self._clock() + self._cool_down
                return

    async def _looked(self) -> bool:
        """Waits for a refresh; False if none is allowed. Cancelling the wait doesn't cancel the refresh."""
        look = self._begin()
        if look is None:
            return False
        await asyncio.wait([look])
        return True

    def _begin(self) -> asyncio.Task[None] | None:
        if self._look is not None and not self._look.done():
            return self._look
        if self._clock() < self._not_before:
            return None
        self._look = asyncio.create_task(self._refresh(), name="refresh keys")
        return self._look

    async def _refresh(self) -> None:
        self._not_before = self._clock() + self._cool_down
        try:
            self._keys = await self._read()
        except JwksError as error:
            logger.warning("Can't refresh the token keys, keeping the current ones: %s", error)
            self._not_before = self._clock() + self._cool_down
        else:
            self._good_until = self._clock() + self._keys.max_age
            self._not_before = -inf
        finally:
            self._looked_at = self._clock()
