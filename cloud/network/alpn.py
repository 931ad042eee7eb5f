"""One port for HTTP/1.1 and HTTP/2: TLS says which (ALPN, RFC 7301), HTTP/2 is passed on to a server of its own.

A client that can do both is given HTTP/1.1. gRPC's clients offer HTTP/2 alone. Which server HTTP/2 goes to may depend
on the host that the client asked for (SNI, RFC 6066).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from weakref import WeakKeyDictionary

from aiohttp import web

CHUNK = 2**16
CONNECT = 5.0  # seconds to reach the server of HTTP/2
BACKLOG = 512

Pass = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Split(asyncio.Protocol):
    """Becomes the protocol that TLS has agreed on, as soon as it has."""

    def __init__(
        self,
        http1: Callable[[], asyncio.BaseProtocol],
        http2: Callable[[ssl.SSLObject], asyncio.BaseProtocol],
    ) -> None:
        self.http1, self.http2 = http1, http2

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        agreed = transport.get_extra_info("ssl_object")
        protocol = self.http2(agreed) if agreed.selected_alpn_protocol() == "h2" else self.http1()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


async def listen(
    runner: web.AppRunner,
    address: str,
    port: int,
    tls: ssl.SSLContext,
    http2: Pass,
    hosts: Mapping[str, Pass] | None = None,
) -> asyncio.Server:
    """The application of a runner that was set up, and what HTTP/2 goes to, behind one port. `hosts` go elsewhere."""
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()

    asked: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()

    def named(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        asked[connection] = (name or "").lower()

    tls.sni_callback = named

    def passed(connection: ssl.SSLObject) -> asyncio.BaseProtocol:
        to = (hosts or {}).get(asked.get(connection, ""), http2)
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=CHUNK, loop=loop), to, loop=loop)

    return await loop.create_server(
        lambda: Split(server, passed), address, port, ssl=tls, backlog=BACKLOG, reuse_address=True
    )


def to(host: str, port: int, unknown: Pass | None = None) -> Pass:
    """Passes a connection on: closed at once where nothing answers, `unknown`'s where there is no such host."""

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT)
        except socket.gaierror:
            return await unknown(reader, writer) if unknown else writer.transport.abort()
        except (OSError, TimeoutError, asyncio.TimeoutError):
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

    return passed


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """One way, until its end: HTTP/2 has no use for half a connection."""
    with suppress(ConnectionError):
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
