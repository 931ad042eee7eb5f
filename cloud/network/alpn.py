"""Serves HTTP/1.1 and HTTP/2 on one port: TLS selects the protocol (ALPN, RFC 7301).

HTTP/2 connections are forwarded to another server, which may depend on the requested host (SNI, RFC 6066). A client
that offers both protocols gets HTTP/1.1; gRPC clients offer only HTTP/2.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from weakref import WeakKeyDictionary

from aiohttp import web

CHUNK = 2**16  # bytes per read
CONNECT = 5.0  # seconds to reach the HTTP/2 server
BACKLOG = 512

StreamHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class AlpnSwitch(asyncio.Protocol):
    """Hands the connection over to the protocol that ALPN selected, once the handshake is complete."""

    def __init__(
        self,
        http1: Callable[[], asyncio.BaseProtocol],
        http2: Callable[[ssl.SSLObject], asyncio.BaseProtocol],
    ) -> None:
        self.http1, self.http2 = http1, http2

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Replace this protocol on the transport."""
        tls = transport.get_extra_info("ssl_object")
        protocol = self.http2(tls) if tls.selected_alpn_protocol() == "h2" else self.http1()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


async def listen(
    runner: web.AppRunner,
    address: str,
    port: int,
    tls: ssl.SSLContext,
    http2: StreamHandler,
    hosts: Mapping[str, StreamHandler] | None = None,
) -> asyncio.Server:
    """Serve the application of a runner, already set up, over HTTP/1.1 and pass HTTP/2 connections to `http2`.

    `hosts` overrides `http2` for individual host names.
    """
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()

    server_names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()

    def record_name(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        server_names[connection] = (name or "").lower()

    tls.sni_callback = record_name

    def http2_protocol(connection: ssl.SSLObject) -> asyncio.BaseProtocol:
        handler = (hosts or {}).get(server_names.get(connection, ""), http2)
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=CHUNK, loop=loop), handler, loop=loop)

    return await loop.create_server(
        lambda: AlpnSwitch(server, http2_protocol),
        address,
        port,
        ssl=tls,
        backlog=BACKLOG,
        reuse_address=True,
    )


def forward_to(host: str, port: int, unknown: StreamHandler | None = None) -> StreamHandler:
    """A handler that forwards a connection to a server.

    It closes the connection immediately if the server does not respond, and calls `unknown` if the host name does not
    resolve.
    """

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT):
                far = await asyncio.open_connection(host, port)
        except socket.gaierror:
            return await unknown(reader, writer) if unknown else writer.transport.abort()
        except OSError:  # or TimeoutError
            writer.transport.abort()
            return
        pumps = {asyncio.create_task(pump(reader, far[1])), asyncio.create_task(pump(far[0], writer))}
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, far[1]):
                end.close()

    return forward


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy one direction to its end. The caller then closes both: HTTP/2 needs no half-open connections."""
    with suppress(ConnectionError):
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
