"""Batch requests. Each call is routed and authorized in this process, like a single request.

https://cloud.google.com/storage/docs/batch
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus

from cloud.google_errors import ApiError
from cloud.storage.multipart import Parts, boundary_of
from cloud.storage.request import StorageResponse

MAX_CALLS = 100
MAX_REQUEST = 10 << 20  # total bytes of all calls
MAX_RESPONSE = 32 << 20  # bytes of responses, after which the remaining calls are refused
TOO_LARGE = StorageResponse(
    413, {"error": {"code": 413, "message": "The batch's responses are too large: send a smaller batch."}}
)
LINE = re.compile(rb"([A-Z]+) (\S+)(?: HTTP/1\.[01])?")


@dataclass(frozen=True, slots=True)
class BatchCall:
    """One call in a batch: its Content-ID, method, target (as sent), headers and body."""

    id: str
    method: str
    target: str
    headers: Message
    body: bytes


Handler = Callable[[BatchCall], Awaitable[StorageResponse]]


async def run(content_type: str, body: AsyncIterator[bytes], handle: Handler) -> StorageResponse:
    """Run the calls in order. Raises ApiError (400, 413) for a malformed batch, before running any call."""
    parts = Parts(_limited(body), boundary_of(content_type))
    calls: list[BatchCall] = []
    while (headers := await parts.next()) is not None:
        if len(calls) == MAX_CALLS:
            raise ApiError(400, "badRequest", f"The batch has more than {MAX_CALLS} calls.")
        calls.append(_read(headers, b"".join([piece async for piece in parts.content()])))
    if not calls:
        raise malformed("it contains no calls")
    boundary = f"batch_{secrets.token_urlsafe(24)}"
    responses = bytearray()
    for call in calls:
        await asyncio.sleep(0)  # lets other requests run
        reply = await handle(call) if len(responses) < MAX_RESPONSE else TOO_LARGE
        responses += f"--{boundary}\r\n".encode() + _part(call, reply)
    # No quotes: gcsfs takes everything after "boundary=" literally.
    outer = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    return StorageResponse(headers=outer, raw=bytes(responses) + f"--{boundary}--\r\n".encode())


def malformed(why: str) -> ApiError:
    """The 400 for a batch that can't be parsed."""
    return ApiError(400, "badRequest", f"Failed to parse batch request: {why}.")


async def _limited(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for piece in body:
        size += len(piece)
        if size > MAX_REQUEST:
            raise ApiError(413, "uploadTooLarge", f"The batch exceeds {MAX_REQUEST >> 20} MiB.")
        yield piece


def _read(outer: Message, call: bytes) -> BatchCall:
    line, _, rest = call.lstrip(b"\r\n").partition(b"\n")
    found = LINE.fullmatch(line.strip())
    if found is None:
        raise malformed("a call does not start with METHOD PATH HTTP/1.1")
    ends = [(at, len(end)) for end in (b"\r\n\r\n", b"\n\n") if (at := rest.find(end)) >= 0]
    if rest.startswith((b"\r\n", b"\n")):  # no headers
        head, body = b"", rest[2 if rest.startswith(b"\r") else 1 :]
    else:
        cut, length = min(ends, default=(len(rest), 0))
        head, body = rest[:cut], rest[cut + length :]
    headers = BytesParser().parsebytes(head, headersonly=True)
    return BatchCall(
        str(outer.get("Content-ID") or ""), found[1].decode(), found[2].decode("latin-1"), headers, body
    )


def _part(call: BatchCall, reply: StorageResponse) -> bytes:
    """The response to one call, with an ID derived from the call's Content-ID."""
    content = reply.encoded()
    phrase = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else ""
    id = re.sub(r"[^!-;=?-~]", "", call.id.strip("<>"))
    lines = [
        "Content-Type: application/http",
        *([f"Content-ID: <response-{id}>"] if id else []),
        "",
        f"HTTP/1.1 {reply.status} {phrase}".rstrip(),
        *(f"{name}: {value}" for name, value in reply.headers.items()),
        "Content-Type: application/json; charset=UTF-8",
        f"Content-Length: {len(content)}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + content + b"\r\n"
