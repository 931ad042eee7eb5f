"""The gateway as an HTTPS proxy: CONNECT leads programs on this machine to the lab's Google Cloud and Vertex AI.

Google's clients need nothing but a proxy and a certificate then, which `python -m cluster env` sets: see
raydock/gcp/lab_environment.py. The proxy's password is the cluster's key, and the destinations are those of the egress
proxy, so Google's hosts are always the lab's. A page in a browser can't send CONNECT.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass

from aiohttp import web

from cloud.gateway.credentials import key_matches
from cloud.gateway.gate import Gate
from cloud.network.alpn import BACKLOG, CHUNK, StreamHandler
from cloud.network.proxy_request import Blocked, ProxyRequest

CONNECT = b"CONNECT "
ASK = 'This proxy requires the cluster key as its password: eval "$(python -m cluster env)" sets it.'


class ConnectSwitch(asyncio.Protocol):
    """Hands a connection to `tunnel` if its first request is CONNECT, and to the HTTP server otherwise."""

    def __init__(
        self, http: asyncio.Protocol, tunnel: StreamHandler, waiting: set[asyncio.BaseTransport]
    ) -> None:
        self.http, self.tunnel, self.waiting = http, tunnel, waiting
        self.transport: asyncio.BaseTransport | None = None
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the method of the first request."""
        self.transport = transport
        self.waiting.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that left before it sent a method."""
        if self.transport:
            self.waiting.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        """Replace this protocol on the transport once the method is known."""
        self.received += data
        if len(self.received) < len(CONNECT) and CONNECT.startswith(self.received):
            return
        protocol = self.http
        if self.received.startswith(CONNECT):
            protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=CHUNK), self.tunnel)
        assert isinstance(self.transport, asyncio.Transport)
        self.waiting.discard(self.transport)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(self.received)


@dataclass(frozen=True, slots=True)
class Listener:
    """A server, and its connections that have not sent a method yet."""

    server: asyncio.Server
    waiting: set[asyncio.BaseTransport]

    def close(self) -> None:
        """Stop listening, and close the connections that no application or tunnel has yet."""
        self.server.close()
        for transport in list(self.waiting):
            transport.close()


async def listen(runner: web.AppRunner, address: str, port: int, tunnel: StreamHandler) -> Listener:
    """Serve a set-up runner's application, and pass CONNECT requests to `tunnel`."""
    http = runner.server
    assert http is not None
    waiting: set[asyncio.BaseTransport] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: ConnectSwitch(http(), tunnel, waiting), address, port, backlog=BACKLOG, reuse_address=True
    )
    return Listener(server, waiting)


def require_key(gate: Gate, request: ProxyRequest) -> None:
    """Raise Blocked: 407 without the key as the password, 400 for anything but CONNECT.

    A connection that started with CONNECT carries one request, so only a malformed one has another method.
    """
    if request.method != CONNECT.decode().strip():
        raise Blocked(400, "This proxy only opens tunnels: send CONNECT host:port.")
    found = [value for name, value in request.headers if name.lower() == "proxy-authorization"]
    if len(found) != 1 or not key_matches(password(found[0]), gate):
        raise Blocked(407, ASK)


def password(header: str) -> str:
    """The password of HTTP's Basic authentication (RFC 7617); "" if there is none."""
    scheme, _, value = header.partition(" ")
    try:
        user = base64.b64decode(value.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return user.partition(":")[2]
