"""Downloads: ranges, checksums, and decompression of gzip content.

https://cloud.google.com/storage/docs/transcoding
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

from cloud.google_errors import ApiError
from cloud.storage.documents import etag
from cloud.storage.request import StorageRequest, StorageResponse
from cloud.storage.store.content import read
from cloud.storage.store.records import ObjectRecord

RANGE = re.compile("bytes=([0-9]*)-([0-9]*)")
DIGITS = 19  # more digits than any size has
PIECE = 1 << 18  # bytes of decompressed content per piece
MAGIC = b"\x1f\x8b"  # gzip's first bytes
COMPRESSED = 1 << 14  # bytes to decompress at a time, as zlib copies the rest after each gzip member


def download(call: StorageRequest, found: ObjectRecord, path: Path) -> StorageResponse:
    """An object's content, or a range of it. Raises ApiError (416) for a range beyond its end."""
    headers = _headers(found)
    size = found.content.size
    stored = found.document.get("contentEncoding", "")
    accepted = call.headers.get("Accept-Encoding", "").lower()
    if (
        stored == "gzip"
        and "gzip" not in accepted
        and "no-transform" not in found.document.get("cacheControl", "")
    ):
        del headers["Content-Encoding"]
        headers["Warning"] = '214 UploadServer "gunzipped"'
        return StorageResponse(200, headers=headers, content=_gunzipped(read(path, 0, size)), length=-1)
    current = call.headers.get("If-Range", headers["ETag"]).strip('"') == headers["ETag"]
    part = _range(call.headers.get("Range", "") if current else "", size)
    if part is None:
        return StorageResponse(200, headers=headers, content=read(path, 0, size), length=size)
    start, end = part
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return StorageResponse(206, headers=headers, content=read(path, start, end - start), length=end - start)


def _range(text: str, size: int) -> tuple[int, int] | None:
    """The start and (exclusive) end of a range; None for all content, including for anything but one byte range."""
    found = RANGE.fullmatch(text.strip())
    if not found or not (found[1] or found[2]):
        return None
    first, last = (size if len(digits) > DIGITS else int(digits or 0) for digits in found.groups())
    if found[1] and found[2] and last < first:
        return None
    start, end = (
        (first, min(last + 1, size) if found[2] else size) if found[1] else (max(size - last, 0), size)
    )
    if start >= size:
        raise ApiError(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.")
    return start, end


def _headers(found: ObjectRecord) -> dict[str, str]:
    content, document = found.content, found.document
    hashes = [f"crc32c={content.crc32c}", *([f"md5={content.md5}"] if content.md5 else [])]
    optional = {
        "Content-Encoding": document.get("contentEncoding", ""),
        "Content-Disposition": document.get("contentDisposition", ""),
        "Content-Language": document.get("contentLanguage", ""),
    }
    return {
        "Content-Type": document.get("contentType") or "application/octet-stream",
        "Cache-Control": document.get("cacheControl") or "no-cache, no-store, max-age=0, must-revalidate",
        "ETag": etag(found.generation, found.metageneration),
        "Last-Modified": formatdate(found.updated, usegmt=True),
        "Accept-Ranges": "bytes",
        "X-Goog-Generation": str(found.generation),
        "X-Goog-Metageneration": str(found.metageneration),
        "X-Goog-Storage-Class": document.get("storageClass") or "STANDARD",
        "X-Goog-Stored-Content-Encoding": document.get("contentEncoding") or "identity",
        "X-Goog-Stored-Content-Length": str(content.size),
        "X-Goog-Hash": ",".join(hashes),
        **{name: value for name, value in optional.items() if value},
    }


async def _gunzipped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decompress content in pieces of bounded size. Passes non-gzip content through.

    Raises zlib.error if the content is truncated or has trailing non-gzip data.
    """
    unzip, plain = zlib.decompressobj(wbits=31), None
    async for whole in pieces:
        if plain is None:
            plain = not whole.startswith(MAGIC)
        if plain:
            yield whole
            continue
        for at in range(0, len(whole), COMPRESSED):
            piece, data = whole[at : at + COMPRESSED], b""
            while piece or data:
                if unzip.eof:
                    piece = piece.lstrip(b"\0")  # padding
                    if not piece:
                        break
                    unzip = zlib.decompressobj(wbits=31)  # the next member
                data = unzip.decompress(piece, PIECE)
                piece = unzip.unconsumed_tail or unzip.unused_data
                if data:
                    yield data
        await asyncio.sleep(0)
    if plain is False and not unzip.eof:
        raise zlib.error("the content is truncated")
