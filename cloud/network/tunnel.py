"""Bytes both ways between two connections, with the ends of each passed on."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CHUNK = 2**16  # bytes of one read, and of all the headers of a request


@dataclass(slots=True)
class Tunnel:
    """Bytes both ways until both ends are done, one breaks, or neither sends for `idle` seconds."""

    near: Streams
    far: Streams
    idle: float
    seen: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def run(self) -> None:
        pumps = {
            asyncio.create_task(self.pump(self.near[0], self.far[1])),
            asyncio.create_task(self.pump(self.far[0], self.near[1])),
        }
        try:
            await self.watch(pumps)
        except (ConnectionError, TimeoutError):
            # An end broke, or was silent: the other is to see no clean end.
            reset(self.near[1])
            reset(self.far[1])
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def watch(self, pumps: set[asyncio.Task[None]]) -> None:
        loop, left = asyncio.get_running_loop(), pumps
        while left:
            rest = self.seen + self.idle - loop.time()
            if rest <= 0:
                raise TimeoutError
            done, left = await asyncio.wait(left, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One way; its end is passed on as a half-close, as the other way may go on."""
        while data := await source.read(CHUNK):
            self.seen = asyncio.get_running_loop().time()
            sink.write(data)
            await sink.drain()
        sink.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """A close would look like the end of an answer that has no length."""
    own = writer.get_extra_info("socket")
    with suppress(OSError):  # it may be closed by now
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
