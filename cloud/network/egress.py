"""The egress proxy: a forward proxy through which runtime environments install packages.

The nodes' network has no other route out. The proxy opens CONNECT tunnels and forwards plain HTTP to public addresses
and to the networks in LAB_EGRESS_ALLOW. By default a job can't reach this machine or its network. Regardless of the
setting, a job never reaches a cloud's metadata server (169.254.169.254) or the lab's own networks, which hand out
other jobs' identities. The proxy resolves each name once and connects to the address it checked, so DNS rebinding
does not work.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from cloud.network.addresses import attached_networks, is_permitted
from cloud.network.proxy_request import (
    Blocked,
    ProxyRequest,
    destination,
    origin_form,
    read_request,
    send_refusal,
)
from cloud.network.tunnel import CHUNK, Streams, Tunnel
from iam.lab.settings import Network

log = logging.getLogger("raydock.egress")


MAX_ADDRESSES = 4  # addresses to try per name
# The domains of Google's APIs, and of the dashboards of Ray on Vertex AI.
GOOGLE = ("googleapis.com", "aiplatform-training.googleusercontent.com")
GOOGLE_PORT = 443


async def resolve(host: str, port: int) -> list[str]:
    """A name's addresses, without duplicates. Raises OSError if it does not resolve."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def dial(address: str, port: int) -> Streams:
    """Connect to an address. Raises OSError if it does not respond."""
    return await asyncio.open_connection(address, port, limit=CHUNK)


@dataclass(slots=True)
class Egress:
    """The proxy: its allowed destinations, and its limits (timeouts in seconds)."""

    allow: tuple[Network, ...] = ()  # allowed in addition to public addresses; never loopback or link-local
    ports: frozenset[int] = frozenset({80, 443})
    max_connections: int = 400  # concurrent connections
    max_per_client: int = 64  # concurrent connections per client; a node's jobs are one client
    header_timeout: float = 30.0  # to receive the request's headers
    connect_timeout: float = 10.0  # to resolve and connect
    idle_timeout: float = 300.0  # with no bytes in either direction
    resolve: Callable[[str, int], Awaitable[list[str]]] = resolve
    dial: Callable[[str, int], Awaitable[Streams]] = dial
    google: str = ""  # our address, which serves Google's hosts; "" to treat Google's hosts like any other
    own: Callable[[], Iterable[Network]] = lambda: attached_networks()  # never allowed, regardless of `allow`
    authorize: Callable[[ProxyRequest], None] = lambda request: (
        None
    )  # raises Blocked for a stranger's request
    open_connections: Counter[str] = field(default_factory=Counter, init=False)  # open connections by client

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client connection and close it."""
        try:
            await self.serve_within_limits(reader, writer)
        except Blocked as refusal:
            await send_refusal(reader, writer, refusal)
        except (OSError, asyncio.IncompleteReadError) as error:
            log.debug("connection lost: %s", type(error).__name__)
        finally:
            writer.close()

    async def serve_within_limits(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection within the limits. Raises Blocked (503) if a limit is reached."""
        client = str((writer.get_extra_info("peername") or ("",))[0])
        if self.open_connections.total() >= self.max_connections:
            limit = f"{self.max_connections} connections"
            raise Blocked(503, f"The egress proxy has reached its limit of {limit}: try again later.")
        if self.open_connections[client] >= self.max_per_client:
            limit = f"{self.max_per_client} egress connections"
            raise Blocked(503, f"This node has reached its limit of {limit}: try again later.")
        self.open_connections[client] += 1
        try:
            await self.serve(reader, writer)
        finally:
            self.open_connections[client] -= 1
            if not self.open_connections[client]:
                del self.open_connections[client]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read the request, connect to its destination and tunnel until both ends are done."""
        request = await read_request(reader, self.header_timeout)
        self.authorize(request)
        host, port = destination(request)
        far = await self.connect(host, port)
        try:
            if request.method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far[1].write(origin_form(request))
            await Tunnel((reader, writer), far, self.idle_timeout).run()
        finally:
            far[1].close()

    async def connect(self, host: str, port: int) -> Streams:
        """Connect to the address that was checked. Google's host names always lead to the lab, never to Google.

        Raises Blocked: 403 for a destination that is not allowed, 502 or 504 if it can't be reached.
        """
        if port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise Blocked(403, f"Outbound port {port} is blocked; allowed: {allowed}.")
        if ":" not in host and "." not in host.rstrip("."):
            raise Blocked(403, f"{host} is a bare host name; only names with a dot are allowed.")
        try:
            async with asyncio.timeout(self.connect_timeout):
                if self.google and is_google(host):
                    return await self.dial(*await self.lab_address(host, port))
                addresses = await self.resolve(host, port)
                self.require_permitted(host, addresses)
                log.info("%s port %s: %s", host, port, ", ".join(addresses))
                return await self.connect_any(addresses[:MAX_ADDRESSES], port)
        except TimeoutError:
            raise Blocked(
                504, f"{host} did not respond on port {port} within {self.connect_timeout:g} s."
            ) from None
        except (OSError, UnicodeError):  # UnicodeError: an invalid label in the host name
            raise Blocked(502, f"Could not reach {host} on port {port}.") from None

    async def lab_address(self, host: str, port: int) -> tuple[str, int]:
        """The address that serves one of Google's hosts: its address on our own networks, if any, otherwise ours."""
        if port != GOOGLE_PORT:
            raise Blocked(403, f"{host} is allowed only on port {GOOGLE_PORT}.")
        with suppress(OSError):
            for address in await self.resolve(host, port):
                if any(ipaddress.ip_address(address) in network for network in self.own()):
                    return address, port
        return self.google, port

    def require_permitted(self, host: str, addresses: Iterable[str]) -> None:
        """Require all of a name's addresses to be allowed: a mix of public and private ones is suspicious.

        Raises Blocked (403) otherwise.
        """
        own = tuple(self.own())
        if not all(is_permitted(address, self.allow, own) for address in addresses):
            log.warning("%s is blocked: not a public address", host)
            raise Blocked(403, f"{host} is blocked: it is not a public address.")

    async def connect_any(self, addresses: list[str], port: int) -> Streams:
        """Connect to the first address that responds. All except the last get an equal share of the time."""
        for address in addresses[:-1]:
            with suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(self.connect_timeout / len(addresses)):
                    return await self.dial(address, port)
        return await self.dial(addresses[-1], port)


async def serve(host: str, port: int, *, allowed: Egress | None = None) -> asyncio.Server:
    """Start the proxy on an address; `allowed` holds its rules."""
    return await asyncio.start_server((allowed or Egress()).handle, host, port, limit=CHUNK)


def is_google(host: str) -> bool:
    """Whether a host belongs to one of Google's domains."""
    return f".{host.lower().rstrip('.')}".endswith(tuple(f".{domain}" for domain in GOOGLE))
