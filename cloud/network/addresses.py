"""Determines which addresses the egress proxy connects to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from iam.lab.settings import Network

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
UNICAST = ipaddress.IPv6Network("2000::/3")  # allocated global unicast; is_global alone accepts more
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address


def is_permitted(text: str, allow: tuple[Network, ...] = (), own: tuple[Network, ...] = ()) -> bool:
    """Whether an address is public or in one of the `allow` networks, and not in one of our `own` networks."""
    try:
        address = embedded_ipv4(ipaddress.ip_address(text))
    except ValueError:
        return False
    invalid = address.is_unspecified or address.is_multicast or address.is_reserved
    if address.is_loopback or address.is_link_local or invalid or any(address in network for network in own):
        return False
    if any(address in network for network in allow):
        return True
    if address.version == 6 and address not in UNICAST:
        return False
    return address.is_global


def attached_networks(proc: Path = Path("/proc/net")) -> Iterator[Network]:
    """The networks this host is attached to. In a container, these are the lab's, with the metadata servers."""
    for line in lines_of(proc / "route")[1:]:
        _, destination, gateway, *_ = fields = line.split()
        if int(gateway, 16) == 0 and int(destination, 16) != 0:
            network, mask = (
                socket.inet_ntoa(int(n, 16).to_bytes(4, "little")) for n in (destination, fields[7])
            )
            yield ipaddress.IPv4Network(f"{network}/{mask}")
    for line in lines_of(proc / "ipv6_route"):
        destination, length, _, _, gateway, *_ = line.split()
        if int(gateway, 16) == 0 and int(length, 16) > 0:
            yield ipaddress.IPv6Network((int(destination, 16), int(length, 16)), strict=False)


def lines_of(file: Path) -> list[str]:
    """A file's lines; none if it can't be read."""
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def embedded_ipv4(address: Address) -> Address:
    """The IPv4 address embedded in an IPv6 address, which is where packets go; otherwise the address unchanged."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
