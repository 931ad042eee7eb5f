"""Downloads: ranges, checksums, and content that is kept compressed.

https://cloud.google.com/storage/docs/transcoding
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

from cloud.answers import Refusal
from cloud.storage.content import read
from cloud.storage.documents import etag
from cloud.storage.index import Object
from cloud.storage.request import Call, Reply

RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
PIECE = 1 << 18


def download(call: Call, found: Object, path: Path) -> Reply:
    """The content, or a range of it. Refusal (416) for a range beyond its end."""
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
        return Reply(200, headers=headers, content=_gunzipped(read(path, 0, size)), length=-1)
    part = _range(call.headers.get("Range", ""), size)
    if part is None:
        return Reply(200, headers=headers, content=read(path, 0, size), length=size)
    start, end = part
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Reply(206, headers=headers, content=read(path, start, end - start), length=end - start)


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Start and end; None for all of it, which is also the answer to what is no single range of bytes."""
    found = RANGE.fullmatch(text.strip())
    if not found or not (found[1] or found[2]):
        return None
    if found[1]:
        start, end = int(found[1]), min(int(found[2] or size - 1) + 1, size)
    else:
        start, end = max(size - int(found[2]), 0), size
    if found[1] and found[2] and int(found[2]) < start:
        return None
    if start >= size:
        raise Refusal(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.")
    return start, end


def _headers(found: Object) -> dict[str, str]:
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
    """In pieces of bounded size, however well it was compressed. Content that is not gzip stays as it is."""
    unzip, plain = zlib.decompressobj(wbits=31), None
    async for piece in pieces:
        if plain is None:
            plain = not piece.startswith(b"\x1f\x8b")
        if plain:
            yield piece
            continue
        data = b""
        while piece or data:
            if unzip.eof:  # the next member
                unzip = zlib.decompressobj(wbits=31)
            data = unzip.decompress(piece, PIECE)
            piece = unzip.unconsumed_tail or unzip.unused_data
            if data:
                yield data
