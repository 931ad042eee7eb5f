"""Copies bytes in both directions between two connections and propagates half-closes."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CHUNK = 2**16  # bytes per read; also the limit for a request's headers


@dataclass(slots=True)
class Tunnel:
    """Two connections, joined until both ends finish, one breaks, or neither sends for `idle` seconds."""

    near: Streams
    far: Streams
    idle: float
    last_read: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Copy until the tunnel ends. Resets both connections if one breaks or the tunnel is idle too long."""
        pumps = {
            asyncio.create_task(self.pump(self.near[0], self.far[1])),
            asyncio.create_task(self.pump(self.far[0], self.near[1])),
        }
        try:
            await self.watch(pumps)
        except (ConnectionError, TimeoutError):
            # One end broke or went idle, so the other must not see a clean close.
            reset(self.near[1])
            reset(self.far[1])
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def watch(self, pumps: set[asyncio.Task[None]]) -> None:
        """Wait for both directions. Raises TimeoutError if the tunnel is idle, or any error from a direction."""
        loop, left = asyncio.get_running_loop(), pumps
        while left:
            rest = self.last_read + self.idle - loop.time()
            if rest <= 0:
                raise TimeoutError
            done, left = await asyncio.wait(left, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Copy one direction. Propagates its end as a half-close, because the other direction may still be open."""
        while data := await source.read(CHUNK):
            self.last_read = asyncio.get_running_loop().time()
            sink.write(data)
            await sink.drain()
        sink.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a TCP reset: a FIN would look like the end of a response without a length."""
    own = writer.get_extra_info("socket")
    with suppress(OSError):  # it may already be closed
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
