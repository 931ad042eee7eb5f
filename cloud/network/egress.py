"""The way out of the lab: a forward proxy through which runtime environments install packages.

The nodes' network has no route to anywhere else. This proxy opens CONNECT tunnels and passes plain HTTP, to
public addresses and to networks that a setting names: unless that says so, a job reaches neither the machine
that it runs on nor its network, and never, whatever the setting says, the metadata server of a cloud
(169.254.169.254) or the lab's own networks, where others' identities are handed out. A name is resolved
once and the connection goes to the address that was checked, so that a name can't change its mind in between
(DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from cloud.network.tunnel import CHUNK, Streams, Tunnel
from iam.lab import Network

log = logging.getLogger("raydock.egress")

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

FARTHEST = 4  # addresses of one name that are tried
UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is handed out; is_global knows of fewer exceptions
GOOGLE = "googleapis.com"
GOOGLE_PORT = 443
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
# RFC 9110, 7.6.1; Transfer-Encoding stays, as the body's bytes are passed as they are.
HOP = {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade", "host"}
REASONS = {400: "Bad Request", 403: "Forbidden", 431: "Request Header Fields Too Large"}
REASONS |= {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Blocked(Exception):
    """Why a request is not passed on, with the HTTP status that says so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """A request's head as it came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]


async def resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def dial(address: str, port: int) -> Streams:
    return await asyncio.open_connection(address, port, limit=CHUNK)


@dataclass(slots=True)
class Egress:
    """What is let out, and the limits (seconds) of a connection."""

    also: tuple[Network, ...] = ()  # let out besides, as a company's index; loopback and link-local never
    ports: frozenset[int] = frozenset({80, 443})
    most: int = 400  # connections at a time
    each: int = 64  # of one client, which may be all jobs of a node
    header: float = 30.0  # for the request's head to come
    connect: float = 10.0
    idle: float = 300.0  # without a byte in either direction
    resolve: Callable[[str, int], Awaitable[list[str]]] = resolve
    dial: Callable[[str, int], Awaitable[Streams]] = dial
    google: str = ""  # our address, where Google's services answer; "": nowhere
    own: Callable[[], Iterable[Network]] = lambda: connected()  # never let out, whatever `also` says
    live: Counter[str] = field(default_factory=Counter, init=False)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client; nothing of it outlives this call."""
        try:
            await self.counted(reader, writer)
        except Blocked as refusal:
            await answer(reader, writer, refusal)
        except (OSError, asyncio.IncompleteReadError) as error:
            log.debug("connection lost: %s", type(error).__name__)
        finally:
            writer.close()

    async def counted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = str((writer.get_extra_info("peername") or ("",))[0])
        if self.live.total() >= self.most:
            raise Blocked(503, f"All {self.most} connections of this proxy are in use: try again later.")
        if self.live[client] >= self.each:
            raise Blocked(
                503, f"This node has {self.each} connections of this proxy in use: try again later."
            )
        self.live[client] += 1
        try:
            await self.serve(reader, writer)
        finally:
            self.live[client] -= 1
            if not self.live[client]:
                del self.live[client]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await head(reader, self.header)
        host, port = destination(request)
        far = await self.reach(host, port)
        try:
            if request.method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far[1].write(origin_form(request))
            await Tunnel((reader, writer), far, self.idle).run()
        finally:
            far[1].close()

    async def reach(self, host: str, port: int) -> Streams:
        """A connection to the very address that was checked. Google's hosts are the lab's, and never the real ones."""
        if port not in self.ports:
            raise Blocked(403, f"Port {port} is not let out, only {', '.join(map(str, sorted(self.ports)))}.")
        if ":" not in host and "." not in host.rstrip("."):
            raise Blocked(403, f"{host} is a bare name; only names with a dot are let out.")
        try:
            async with asyncio.timeout(self.connect):
                if self.google and is_google(host):
                    return await self.dial(*await self.lab(host, port))
                addresses = await self.resolve(host, port)
                self.check(host, addresses)
                log.info("%s port %s: %s", host, port, ", ".join(addresses))
                return await self.first(addresses[:FARTHEST], port)
        except TimeoutError:
            raise Blocked(504, f"{host} did not answer on port {port} in {self.connect:g} s.") from None
        except (OSError, UnicodeError):  # the latter: a label that is no host name
            raise Blocked(502, f"{host} cannot be reached on port {port}.") from None

    async def lab(self, host: str, port: int) -> tuple[str, int]:
        """Where the lab answers for one of Google's hosts: where its name leads in our networks, else our own door."""
        if port != GOOGLE_PORT:
            raise Blocked(403, f"{host} is let out on port {GOOGLE_PORT} alone.")
        with suppress(OSError):
            for address in await self.resolve(host, port):
                if any(ipaddress.ip_address(address) in network for network in self.own()):
                    return address, port
        return self.google, port

    def check(self, host: str, addresses: Iterable[str]) -> None:
        """All of a name's addresses, since a name that mixes public and private ones is up to no good."""
        own = tuple(self.own())
        if not all(permitted(address, self.also, own) for address in addresses):
            log.warning("%s is refused: not a public address", host)
            raise Blocked(403, f"{host} is not a public address, so jobs may not reach it.")

    async def first(self, addresses: list[str], port: int) -> Streams:
        """The first address that answers; each has its share of the time."""
        for address in addresses[:-1]:
            with suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(self.connect / len(addresses)):
                    return await self.dial(address, port)
        return await self.dial(addresses[-1], port)


async def serve(host: str, port: int, *, allowed: Egress | None = None) -> asyncio.Server:
    """Listens; `allowed` holds what is let out."""
    return await asyncio.start_server((allowed or Egress()).handle, host, port, limit=CHUNK)


def is_google(host: str) -> bool:
    return f".{host.lower().rstrip('.')}".endswith(f".{GOOGLE}")


def permitted(text: str, also: tuple[Network, ...] = (), own: tuple[Network, ...] = ()) -> bool:
    """Whether an address is public, or in one of the networks that are let out besides; never one of our `own`."""
    try:
        address = plain(ipaddress.ip_address(text))
    except ValueError:
        return False
    nowhere = address.is_unspecified or address.is_multicast or address.is_reserved
    if address.is_loopback or address.is_link_local or nowhere or any(address in network for network in own):
        return False
    if any(address in network for network in also):
        return True
    if address.version == 6 and address not in UNICAST:
        return False
    return address.is_global


def connected(proc: Path = Path("/proc/net")) -> Iterator[Network]:
    """The networks that this machine is in: in a container, those of the lab, where metadata servers answer."""
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
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, which is where its packets end up."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def head(reader: asyncio.StreamReader, seconds: float) -> ProxyRequest:
    try:
        async with asyncio.timeout(seconds):
            text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise Blocked(431, f"The headers are longer than {CHUNK // 1024} KiB.") from None
    except TimeoutError:
        raise Blocked(400, f"No whole request came in {seconds:g} s.") from None
    line, *lines = text[:-4].split("\r\n")
    parts = re.fullmatch(r"([!-~]+) ([!-~]+) HTTP/1\.[01]", line)
    pairs = [re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)", field) for field in lines]
    if parts is None or None in pairs:
        raise Blocked(400, "That is no HTTP/1 request.")
    return ProxyRequest(parts[1], parts[2], tuple((pair[1], pair[2]) for pair in pairs if pair))


def destination(request: ProxyRequest) -> tuple[str, int]:
    """Host and port of CONNECT host:port, or of http://host/path."""
    connect = request.method == "CONNECT"
    try:
        url = urlsplit(f"//{request.target}" if connect else request.target)
        host, port = url.hostname, url.port or (None if connect else 80)
    except ValueError:
        host, port = None, None
    if not host or not port or (not connect and url.scheme.lower() != "http"):
        raise Blocked(400, "This is a proxy: send CONNECT host:port, or the whole address, http://host/path.")
    return host, port


def origin_form(request: ProxyRequest) -> bytes:
    """The head for the server (RFC 9112, 3.2.1): one request a connection, so it can't go on to another host."""
    url = urlsplit(request.target)
    path = url._replace(scheme="", netloc="", path=url.path or "/", fragment="")
    target = path.path + (f"?{path.query}" if path.query else "")
    named = {n.strip().lower() for k, v in request.headers if k.lower() == "connection" for n in v.split(",")}
    gone = HOP | (named - {"transfer-encoding", "content-length"})
    lines = [
        f"{request.method} {target} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        "Connection: close",
    ]
    lines += [f"{name}: {value}" for name, value in request.headers if name.lower() not in gone]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refusal: Blocked) -> None:
    """One sentence; what the client still sends is read for two seconds, so that a reset does not eat it."""
    body = f"{refusal}\n".encode()
    lines = [
        f"HTTP/1.1 {refusal.status} {REASONS[refusal.status]}",
        "Content-Type: text/plain; charset=utf-8",
    ]
    lines += [f"Content-Length: {len(body)}", "Connection: close"]
    with suppress(OSError):
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        writer.write_eof()
        async with asyncio.timeout(2):
            while await reader.read(CHUNK):
                pass
