"""Which IP addresses are on the public internet, and what a host resolves to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from agentos.errors import AddressRefusedError, ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Finds the IP addresses of a host and a port. OSError if there are none."""

_PUBLIC: Final = tuple(map(ip_network, ("0.0.0.0/0", "2000::/3")))
_SPECIAL: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network; Linux connects to itself
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' NAT, and a metadata service
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's platform, reached from its machines only
            "169.254.0.0/16",  # link-local, and most metadata services
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments, and a metadata service
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "2001::/23",  # protocol assignments; Teredo, which holds an IPv4 address
            "2001:db8::/32",
            "2002::/16",  # 6to4, which holds an IPv4 address
            "3fff::/20",
        ),
    )
)
"""What isn't on the public internet, by the registries of special-purpose addresses (RFC 6890). Outside of
2000::/3 IPv6 has nothing public; mapped, compatible, unique local and link-local addresses are all there.

Not `is_global` of the standard library, whose answers differ between releases of Python.
"""
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""IPv4 addresses as networks without IPv4 see them (RFC 6052)."""
_TRIED: Final = 4
"""Addresses of one host that are tried."""

_lookups = ThreadPoolExecutor(32, "agentos-dns")
"""Lookups have threads of their own: a name whose server is silent would hold those of the event loop, which
the database needs, too."""


class Guard:
    """Knows which addresses may be connected to."""

    def __init__(self, networks: Sequence[Network], origins: set[tuple[str, int]], resolve: Resolve) -> None:
        self._networks = networks
        self._origins = origins
        self._resolve = resolve

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The host's addresses, all of which may be connected to. OSError if it has none."""
        found = await self._resolve(host, port)
        if not found:
            raise OSError("The host has no address.")
        is_trusted = (host.lower(), port) in self._origins
        if not is_trusted and not all(self._may_connect(ip_address(each)) for each in found):
            raise AddressRefusedError(
                f"The host {host[:253]!r} isn't on the public internet, and isn't contacted for that reason."
            )
        return found[:_TRIED]

    async def check_if_known(self, host: str, port: int) -> None:
        """Checks a host that will be resolved elsewhere, unless it can't be resolved here."""
        with suppress(OSError):
            await self.addresses(host, port)

    def _may_connect(self, address: Address) -> bool:
        if any(address in network for network in self._networks):
            return True
        if isinstance(address, IPv6Address) and address in _NAT64:
            return self._may_connect(IPv4Address(address.packed[-4:]))
        is_public = any(address in network for network in _PUBLIC)
        return is_public and not any(address in network for network in _SPECIAL)


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parses networks; ConfigurationError for an invalid one."""
    try:
        return tuple(map(ip_network, texts))
    except ValueError:
        raise ConfigurationError(
            "networks= takes networks such as '10.1.0.0/16' or 'fd00::/8', with zeros after the prefix."
        ) from None


async def resolve(host: str, port: int) -> Sequence[str]:
    """Asks the system, to which numbers in unusual forms (`2130706433`, `0177.1`) are addresses, too."""

    def look_up() -> list[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(address[0]) for *_, address in found]

    return await asyncio.get_running_loop().run_in_executor(_lookups, look_up)
