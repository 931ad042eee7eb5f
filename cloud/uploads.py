"""The object that an upload is about: in its query, or in the JSON that comes before the content.

https://cloud.google.com/storage/docs/json_api/v1/how-tos/upload: simple (media), multipart, resumable.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from cloud.answers import Refusal

LONGEST = 1 << 20  # bytes of the JSON before an upload's content


@dataclass(frozen=True, slots=True)
class Upload:
    """The object's name, and the body to send on: what was read of it already and the rest."""

    name: str
    body: AsyncIterator[bytes] | bytes


async def read_upload(request: web.Request) -> Upload:
    """Raises Refusal (400) where the object has no name, or two."""
    kind, query = request.query.get("uploadType", ""), request.query.get("name", "")
    body: AsyncIterator[bytes] | bytes
    if kind == "multipart":
        begun = await first_part(request)
        told, body = name_in(part_of(begun, boundary(request))), resumed(begun, request)
    elif kind == "resumable":
        body = await request.content.read(LONGEST)
        if not request.content.at_eof():
            body += await request.content.read()
        told = name_in(body) if body.strip() else ""
    elif kind == "media":
        told, body = "", request.content.iter_any()
    else:
        raise Refusal(400, "badRequest", f"Invalid uploadType: {kind!r}.")
    if query and told and query != told:
        raise Refusal(400, "invalid", "The object has one name in the query and another in the body.")
    if not (query or told):
        raise Refusal(400, "required", "Required parameter: name")
    return Upload(query or told, body)


def name_in(document: bytes) -> str:
    try:
        return str(json.loads(document).get("name") or "")
    except (ValueError, AttributeError):
        raise Refusal(400, "parseError", "The object's metadata is no JSON object.") from None


def boundary(request: web.Request) -> bytes:
    found = re.search(
        r"boundary=(?:\"([^\"]+)\"|'([^']+)'|([^;\s]+))", request.headers.get("Content-Type", "")
    )
    if not found:
        raise Refusal(400, "badContent", "A multipart upload without a boundary.")
    chosen: str = next(filter(None, found.groups()))
    return b"--" + chosen.encode()


async def first_part(request: web.Request) -> bytes:
    """The body up to the end of its first part, or a little more."""
    mark = boundary(request)
    begun = b""
    async for piece in request.content.iter_any():
        begun += piece
        if begun.count(mark) > 1:
            return begun
        if len(begun) > LONGEST:
            break
    raise Refusal(400, "badContent", "A multipart upload without metadata.")


def part_of(begun: bytes, mark: bytes) -> bytes:
    """The content of the first part, without its headers."""
    part = begun.split(mark, 2)[1]
    return re.split(rb"\r?\n\r?\n", part, maxsplit=1)[-1]


async def resumed(begun: bytes, request: web.Request) -> AsyncIterator[bytes]:
    """What was read already, then what is still to come."""
    yield begun
    async for piece in request.content.iter_any():
        yield piece
