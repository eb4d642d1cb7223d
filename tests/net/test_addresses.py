"""Which addresses may be connected to, whatever they are called."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agentos.errors import AddressRefusedError, ConfigurationError
from agentos.net.addresses import Guard, networks_of, resolve

REFUSED = {
    "127.0.0.1": "loopback",
    "127.8.8.8": "loopback",
    "0.0.0.0": "this network",
    "10.0.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "169.254.169.254": "metadata",
    "100.100.100.200": "metadata of Alibaba",
    "192.0.0.192": "metadata of Oracle",
    "168.63.129.16": "platform of Azure",
    "198.18.0.1": "benchmarks",
    "192.0.2.1": "documentation",
    "192.88.99.1": "relay of 6to4",
    "224.0.0.1": "multicast",
    "255.255.255.255": "broadcast",
    "::1": "loopback",
    "::": "unspecified",
    "::127.0.0.1": "compatible",
    "::ffff:127.0.0.1": "mapped",
    "::ffff:8.8.8.8": "mapped, even to a public one",
    "fe80::1": "link-local",
    "fe80::1%1": "link-local with a zone",
    "fc00::1": "unique local",
    "fd00:ec2::254": "metadata of EC2",
    "ff02::1": "multicast",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "2002:7f00:1::": "6to4 of 127.0.0.1",
    "2002:808:808::": "6to4 of a public one",
    "2001:0:7f00:1::": "Teredo",
    "64:ff9b::127.0.0.1": "NAT64 of loopback",
    "64:ff9b::a9fe:a9fe": "NAT64 of metadata",
    "64:ff9b:1::8.8.8.8": "local NAT64",
    "5f00::1": "segment routing",
}

PUBLIC = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8")


def guard(*found: str, networks: tuple[str, ...] = ()) -> Guard:
    async def resolver(host: str, port: int) -> Sequence[str]:
        return found

    return Guard(networks_of(networks), {("trusted.test", 80)}, resolver)


@pytest.mark.parametrize("address", REFUSED, ids=lambda address: f"{address} {REFUSED[address]}")
async def test_what_is_not_public_is_refused(address: str):
    with pytest.raises(AddressRefusedError, match="isn't on the public internet"):
        await guard(address).addresses("somewhere.test", 80)


@pytest.mark.parametrize("address", PUBLIC)
async def test_what_is_public_is_allowed(address: str):
    assert await guard(address).addresses("somewhere.test", 80) == (address,)


async def test_one_private_address_among_public_ones_refuses_the_host():
    with pytest.raises(AddressRefusedError):
        await guard("8.8.8.8", "10.0.0.1").addresses("somewhere.test", 80)


async def test_a_network_can_be_allowed_and_only_it():
    near = guard("10.1.2.3", networks=("10.1.0.0/16", "fd00::/8"))
    assert await near.addresses("wiki.test", 80) == ("10.1.2.3",)
    assert await guard("fd00::1", networks=("fd00::/8",)).addresses("wiki.test", 80) == ("fd00::1",)
    with pytest.raises(AddressRefusedError):
        await guard("10.2.2.3", networks=("10.1.0.0/16",)).addresses("wiki.test", 80)
    with pytest.raises(AddressRefusedError):
        await guard("::ffff:10.1.2.3", networks=("10.1.0.0/16",)).addresses("wiki.test", 80)


async def test_an_origin_can_be_trusted_and_only_at_its_port():
    near = guard("127.0.0.1")
    assert await near.addresses("trusted.test", 80) == ("127.0.0.1",)
    with pytest.raises(AddressRefusedError):
        await near.addresses("trusted.test", 5432)
    with pytest.raises(AddressRefusedError):
        await near.addresses("other.test", 80)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "LOCALHOST", "::1", "0"],
)
async def test_unusual_names_of_this_machine_are_refused(host: str):
    with pytest.raises(AddressRefusedError):
        await Guard((), set(), resolve).addresses(host, 80)


async def test_a_host_without_an_address_is_an_error_of_the_network():
    with pytest.raises(OSError, match="no address"):
        await guard().addresses("nowhere.test", 80)


@pytest.mark.parametrize("network", ["10.1.2.3/8", "wiki.test", ""])
def test_a_network_that_is_none_is_refused(network: str):
    with pytest.raises(ConfigurationError, match="networks= takes networks"):
        networks_of([network])
