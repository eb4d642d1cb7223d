"""Failed authentications, counted by address: who fails too often has to wait.

Each process counts for itself. The address is the one that the connection comes from: behind a proxy that is
the proxy's, unless uvicorn is told to trust its headers (`forwarded_allow_ips`).
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
"""Beyond them those are forgotten that failed least recently."""
_WINDOW: Final = 60.0
_LONGEST: Final = 64


class Failures:
    """Up to `failed_logins_per_minute` in any minute are an address's own affair. `clock` is in seconds."""

    def __init__(self, settings: AuthSettings, *, clock: Callable[[], float] = monotonic) -> None:
        self._limit = settings.failed_logins_per_minute
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, scope: Scope) -> int:
        """Seconds for which the address of this request has to wait; 0 if it needn't."""
        times = self._times.get(address_of(scope))
        if not times or len(times) < self._limit:
            return 0
        return max(0, ceil(times[0] + _WINDOW - self._clock()))

    def count(self, scope: Scope) -> None:
        """One more. Those of an address that has to wait don't make it wait longer."""
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
    """Where a request comes from; of IPv6 the network of 64 bits, all of which one caller can use."""
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
