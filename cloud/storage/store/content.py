"""Content on disk, written and checksummed as it arrives.

File names are random IDs, never client input, so an object's name can't point outside the folder.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import google_crc32c

QUANTUM = (
    1 << 18
)  # an unfinished upload keeps a multiple of this, the chunk granularity that Google documents
BUFFER = 1 << 20  # bytes to hash and write at a time, in a thread
SMALL = 1 << 16  # up to this many bytes, reads do not use a thread
CHECKSUM: Any = google_crc32c.Checksum


@dataclass(frozen=True, slots=True)
class Content:
    """Complete content: `size` in bytes, checksums in base64 as in the API.

    `md5` is empty for a composed object, as on Google Cloud.
    """

    blob: str
    size: int
    crc32c: str
    md5: str = ""


def new_blob() -> str:
    """A new content ID."""
    return secrets.token_hex(16)


class Writer:
    """Appends to one file. Raises OSError if the disk is full.

    Rereads an existing file, for example after a restart during an upload, to compute its checksums.
    `lock` serializes the requests of one resumable upload.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = asyncio.Lock()
        self._buffer = bytearray()
        self._file: IO[bytes] | None = None
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc: Any = CHECKSUM()
        self._hashed = 0
        self._written = path.stat().st_size // QUANTUM * QUANTUM if path.exists() else 0

    @property
    def size(self) -> int:
        """The number of bytes accepted, including those not yet written to disk."""
        return self._written + len(self._buffer)

    async def write(self, piece: bytes) -> None:
        """Append bytes to the buffer, and write them to disk when it is full."""
        self._buffer += piece
        if len(self._buffer) >= BUFFER:
            await self._flush(len(self._buffer) // QUANTUM * QUANTUM)

    async def pause(self) -> int:
        """Keep whole quanta, drop the rest, and close the file until the next write. Returns the size in bytes."""
        with suppress(OSError):  # the upload resumes at the first byte that could not be written
            await self._flush(len(self._buffer) // QUANTUM * QUANTUM)
        self._buffer.clear()
        self.close()
        return self._written

    async def finish(self) -> Content:
        """Flush the buffer and close the file."""
        await self._flush(len(self._buffer))
        self.close()
        return Content(
            self.path.name, self._written, _base64(self._crc.digest()), _base64(self._md5.digest())
        )

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _flush(self, count: int) -> None:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        if len(data) < SMALL and self._hashed == self._written:
            return self._append(data)
        thread = asyncio.get_running_loop().run_in_executor(None, self._append, data)
        try:
            await asyncio.shield(thread)
        finally:
            if not thread.done():  # the request was cancelled while the thread is still writing
                await asyncio.wait([thread])

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._open()
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self.close()  # the next open truncates a partial write
            raise
        self._hash(data)
        self._written += len(data)

    def _hash(self, data: bytes) -> None:
        self._md5.update(data)
        self._crc.update(data)
        self._hashed += len(data)

    def _open(self) -> IO[bytes]:
        """Open the file unbuffered at the end of the valid content. Truncates what a failed write left behind."""
        file = self.path.open("r+b" if self._written else "wb", buffering=0)
        file.seek(self._hashed)
        while self._hashed < self._written:
            self._hash(file.read(min(BUFFER, self._written - self._hashed)))
        file.truncate(self._written)
        return file


def content_of(blob: str, data: bytes) -> Content:
    """The `Content` of bytes in memory."""
    md5, crc = hashlib.md5(data, usedforsecurity=False), CHECKSUM(data)
    return Content(blob, len(data), _base64(crc.digest()), _base64(md5.digest()))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


async def concatenate(path: Path, parts: Sequence[Path]) -> Content:
    """Concatenate files into a new one."""
    writer = Writer(path)
    with ExitStack() as opened:
        # Open all of them first, because an object may be deleted in the meantime.
        files = [opened.enter_context(part.open("rb")) for part in parts]
        for file in files:
            while data := await asyncio.to_thread(file.read, BUFFER):
                await writer.write(data)
    return replace(await writer.finish(), md5="")


async def read(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    """Stream `length` bytes from `start`. The content stays readable even if its object is deleted in the meantime.

    Raises OSError if the file is too short.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while length > 0:
            count = min(BUFFER, length)
            data = file.read(count) if count <= SMALL else await asyncio.to_thread(file.read, count)
            if not data:
                raise OSError(f"{path.name} is shorter than expected")
            length -= len(data)
            yield data
