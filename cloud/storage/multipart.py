"""Streaming parser for multipart bodies: an upload's metadata and content, or a batch's calls.

Lines end in CRLF or, from gcsfs, in LF; the first line determines which.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesParser

from cloud.google_errors import ApiError

HEADERS = 1 << 14  # maximum bytes of a part's headers
EMPTY = 4  # maximum empty lines before the first boundary
# The alternatives start differently, so every value has exactly one parse.
VALUE = r"""(?:"([^"]*)"|'([^']*)'|([^;\s"'][^;\s"]*))"""
PARAMETER = re.compile(rf"\s*;\s*([\w.-]+)={VALUE}", re.ASCII)
TYPE = re.compile(rf"multipart/[a-z]+((?:{PARAMETER.pattern})+)\s*;?", re.IGNORECASE | re.ASCII)


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart Content-Type. Raises ApiError (400) unless there is exactly one."""
    found = TYPE.fullmatch(content_type.strip()) if len(content_type) < 1024 else None
    given = [one for one in PARAMETER.findall(found[1]) if one[0].lower() == "boundary"] if found else []
    boundary = "".join(given[0][1:]) if len(given) == 1 else ""
    if not boundary or len(boundary) > 200 or not boundary.isascii() or not boundary.isprintable():
        raise malformed("its Content-Type must have exactly one boundary")
    return boundary.encode()


def malformed(why: str) -> ApiError:
    """The 400 for a malformed body."""
    return ApiError(400, "badContent", f"Malformed multipart body: {why}.")


class Parts:
    """Reads a body's parts in order. Each part must be read to its end before the next one."""

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes) -> None:
        self._body = body
        self._mark = b"--" + boundary
        self._buffer = bytearray()
        self._newline = b""
        self._ended = False

    async def next(self) -> Message | None:
        """The headers of the next part; None after the last. Raises ApiError (400) for a malformed body."""
        if not self._newline:
            await self._begin()
        if await self._take(2) == b"--":
            return None
        self._buffer[:0] = self._taken
        line = await self._line(b"\n", HEADERS)
        if line.strip():
            raise malformed("other text follows a boundary on the same line")
        headers = bytearray()
        while True:
            line = await self._line(b"\n", HEADERS)
            if not line.rstrip(b"\r"):
                return BytesParser().parsebytes(bytes(headers), headersonly=True)
            headers += line + b"\n"
            if len(headers) > HEADERS:
                raise malformed("a part's headers are too long")

    async def content(self) -> AsyncIterator[bytes]:
        """The current part's content, in pieces. Raises ApiError (400) if the body ends within the part."""
        end = self._newline + self._mark
        while True:
            cut = self._buffer.find(end)
            if cut >= 0:
                piece, self._buffer = bytes(self._buffer[:cut]), self._buffer[cut + len(end) :]
                if piece:
                    yield piece
                return
            keep = len(end) - 1
            if len(self._buffer) > keep:
                piece, self._buffer = bytes(self._buffer[:-keep]), self._buffer[-keep:]
                yield piece
            if not await self._more():
                raise malformed("it ends within a part")

    async def _begin(self) -> None:
        line = await self._line(b"\n", 1024)
        for _ in range(EMPTY):
            if line.strip():
                break
            line = await self._line(b"\n", 1024)
        if line.rstrip(b"\r \t") != self._mark:
            raise malformed("it does not start with its boundary")
        self._newline = b"\r\n" if line.endswith(b"\r") else b"\n"
        self._buffer[:0] = self._newline

    async def _take(self, count: int) -> bytes:
        while len(self._buffer) < count and await self._more():
            pass
        self._taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return self._taken

    async def _line(self, end: bytes, most: int) -> bytes:
        while (cut := self._buffer.find(end)) < 0:
            if len(self._buffer) > most or not await self._more():
                raise malformed("a line is unterminated or too long")
        line = bytes(self._buffer[:cut])
        del self._buffer[: cut + 1]
        return line

    async def _more(self) -> bool:
        """Read another piece of the body. Returns False at the end of the body."""
        async for piece in self._body:
            self._buffer += piece
            return True
        return False
