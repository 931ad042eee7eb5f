"""Batches: each call of one is routed and authorized like any other, in this process.

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

MOST = 100  # calls
LONGEST = 10 << 20  # bytes of all calls together
ANSWER = 32 << 20  # bytes of answers, after which no further call is made
TOO_MUCH = StorageResponse(
    413, {"error": {"code": 413, "message": "The batch's answers are too long: send a smaller batch."}}
)
LINE = re.compile(rb"([A-Z]+) (\S+)(?: HTTP/1\.[01])?")


@dataclass(frozen=True, slots=True)
class Inner:
    """One call of a batch: its Content-ID, its method, and the target as it was sent."""

    id: str
    method: str
    target: str
    headers: Message
    body: bytes


Make = Callable[[Inner], Awaitable[StorageResponse]]


async def answer(content_type: str, body: AsyncIterator[bytes], make: Make) -> StorageResponse:
    """Makes the calls in their order. Refusal (400, 413), and no call made, for a malformed batch."""
    parts = Parts(_limited(body), boundary_of(content_type))
    calls: list[Inner] = []
    while (headers := await parts.next()) is not None:
        if len(calls) == MOST:
            raise ApiError(400, "badRequest", f"The batch has more than {MOST} calls.")
        calls.append(_read(headers, b"".join([piece async for piece in parts.content()])))
    if not calls:
        raise malformed("it has no calls")
    boundary = f"batch_{secrets.token_urlsafe(24)}"
    answers = bytearray()
    for call in calls:
        await asyncio.sleep(0)  # others have their turn
        reply = await make(call) if len(answers) < ANSWER else TOO_MUCH
        answers += f"--{boundary}\r\n".encode() + _part(call, reply)
    # Without quotes: gcsfs takes everything after "boundary=" literally.
    told = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    return StorageResponse(headers=told, raw=bytes(answers) + f"--{boundary}--\r\n".encode())


def malformed(why: str) -> ApiError:
    return ApiError(400, "badRequest", f"Failed to parse batch request: {why}.")


async def _limited(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for piece in body:
        size += len(piece)
        if size > LONGEST:
            raise ApiError(413, "uploadTooLarge", f"The batch is over {LONGEST >> 20} MiB.")
        yield piece


def _read(outer: Message, call: bytes) -> Inner:
    line, _, rest = call.lstrip(b"\r\n").partition(b"\n")
    found = LINE.fullmatch(line.strip())
    if found is None:
        raise malformed("a call does not begin with METHOD PATH HTTP/1.1")
    ends = [(at, len(end)) for end in (b"\r\n\r\n", b"\n\n") if (at := rest.find(end)) >= 0]
    if rest.startswith((b"\r\n", b"\n")):  # no headers
        head, body = b"", rest[2 if rest.startswith(b"\r") else 1 :]
    else:
        cut, length = min(ends, default=(len(rest), 0))
        head, body = rest[:cut], rest[cut + length :]
    headers = BytesParser().parsebytes(head, headersonly=True)
    return Inner(
        str(outer.get("Content-ID") or ""), found[1].decode(), found[2].decode("latin-1"), headers, body
    )


def _part(call: Inner, reply: StorageResponse) -> bytes:
    """The answer to one call; its id refers to the call's."""
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
