"""Limits failed authentications per client address.

Each process counts separately. The address is that of the connection. Behind a proxy that is the proxy's
address, unless uvicorn trusts its headers (`forwarded_allow_ips`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic
from typing import Final

from starlette.types import Scope

from agentos.os.auth_settings import AuthSettings

logger = logging.getLogger("agentos.auth")

MAX_ADDRESSES: Final = 10_000
"""Beyond this number, the least recent addresses are forgotten."""
_WINDOW: Final = 60.0
_LONGEST: Final = 64


class Failures:
    """Allows up to `failed_logins_per_minute` failures per address and minute. `clock` is in seconds."""

    def __init__(self, settings: AuthSettings, *, clock: Callable[[], float] = monotonic) -> None:
        self._limit = settings.failed_logins_per_minute
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, scope: Scope) -> int:
        """Seconds that the address of this request must wait; 0 if it needn't."""
        times = self._times.get(address_of(scope))
        if not times or len(times) < self._limit:
            return 0
        return max(0, ceil(times[0] + _WINDOW - self._clock()))

    def count(self, scope: Scope) -> None:
        """Counts a failure. Failures during the wait don't extend it."""
        if not self._limit or self.wait(scope):
            return
        address = address_of(scope)
        times = self._times.setdefault(address, deque(maxlen=self._limit))
        self._times.move_to_end(address)
        times.append(self._clock())
        if len(self._times) > MAX_ADDRESSES:
            self._times.popitem(last=False)
        if self.wait(scope):
            logger.warning("%d failed authentications in a minute from %r", self._limit, address)


def address_of(scope: Scope) -> str:
    """The address of a request. For IPv6, its /64 network, which a single client can control."""
    client = scope.get("client")
    host = client[0] if client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host[:_LONGEST]
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Address(int(address) >> 64 << 64)) + "/64"
    return host
