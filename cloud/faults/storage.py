"""What happens to a call to Cloud Storage that a fault hits.

429 and 503 precede the call, so it has no effect. The texts are Google's:
https://cloud.google.com/storage/docs/json_api/v1/status-codes and https://cloud.google.com/storage/docs/gcs429.
Google sends no Retry-After with them: its clients use their own backoff.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from cloud.google_errors import ApiError
from cloud.storage.request import StorageRequest, StorageResponse
from raydock.faults import COMMAND, Fault

Handler = Callable[[StorageRequest], Awaitable[StorageResponse]]


class CutConnection(Exception):
    """The connection must be closed without a response."""


def is_command(call: StorageRequest) -> bool:
    """Whether the call says that it is from one of this project's own commands."""
    return COMMAND in call.headers


def command_header(outer: Mapping[str, str]) -> dict[str, str]:
    """The header that marks a batch, and so its calls, as our own."""
    return {COMMAND: "1"} if COMMAND in {name.title() for name in outer} else {}


def buckets_of(call: StorageRequest) -> list[str]:
    """The buckets that the call's handler acts on. Only the body names the bucket that buckets.insert creates."""
    return [call.names[name] for name in ("bucket", "to_bucket") if name in call.names]


async def injected(hits: Sequence[Fault], call: StorageRequest, handler: Handler) -> StorageResponse:
    """The response to a call that these faults hit. Raises ApiError (429, 503) or CutConnection."""
    if delay := sum(fault.delay for fault in hits):
        await asyncio.sleep(delay)
    fault = next((fault for fault in hits if fault.kind != "slow"), None)
    if fault is None:
        return await handler(call)
    if fault.kind in ("429", "503"):
        raise refusal(fault.kind, call)
    if fault.at == "request":
        raise CutConnection
    if fault.at == "response":
        with suppress(ApiError):
            await handler(call)
        raise CutConnection
    return await cut_body(call, handler)


def refusal(kind: str, call: StorageRequest) -> ApiError:
    """Google's 429 or 503. The 429 names the object if it has been changed too often, as only one object is limited."""
    if kind == "503":
        return ApiError(503, "backendError", "We encountered an internal error. Please try again.")
    what = "/".join(call.names[name] for name in ("bucket", "object") if name in call.names)
    if call.method == "GET" or not what:
        return ApiError(429, "rateLimitExceeded", "Rate limit exceeded. Please reduce your request rate.")
    text = (
        f"The object {what} exceeded the rate limit for object mutation operations (create, update, and delete). "
        "Please reduce your request rate. See https://cloud.google.com/storage/docs/gcs429."
    )
    return ApiError(429, "rateLimitExceeded", text)


async def cut_body(call: StorageRequest, handler: Handler) -> StorageResponse:
    """Cut the connection in the middle of the request's body if it has one, otherwise of the response's."""
    length = call.headers.get("Content-Length", "")
    if length in ("", "0") and "Transfer-Encoding" not in call.headers:
        return replace(await handler(call), cut=True)
    half = int(length) // 2 if length.isdecimal() else 0
    with suppress(ApiError):
        await handler(replace(call, body=first_bytes(call.body, half)))
    raise CutConnection  # also if the handler needed no more of the body: then the response is lost


async def first_bytes(body: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """The first bytes of a body, as if the client had disconnected after them. Raises CutConnection at their end."""
    async for piece in body:
        if piece[:count]:
            yield piece[:count]
        count -= len(piece)
        if count <= 0:
            raise CutConnection


def cut_short(reply: StorageResponse) -> StorageResponse:
    """The first half of a response's body, after which its connection is aborted. Raises CutConnection without one."""
    if reply.content is None:
        body, kind = reply.encoded(), {"Content-Type": "application/json; charset=UTF-8"}
        if not body:
            raise CutConnection
        headers = dict(reply.headers) if reply.body is None else kind | dict(reply.headers)
        return StorageResponse(
            reply.status, None, headers, content=aborted(one(body), len(body)), length=len(body)
        )
    return replace(reply, content=aborted(reply.content, max(reply.length, 0)))


async def one(body: bytes) -> AsyncIterator[bytes]:
    """A body in one piece."""
    yield body


async def aborted(content: AsyncIterator[bytes], length: int) -> AsyncIterator[bytes]:
    """The first half of the content, or of its first piece if its length is unknown. Then raises OSError.

    Raises CutConnection instead if that is nothing, so the headers are not sent either.
    """
    left, sent = length // 2, False
    async for piece in content:
        kept = piece[:left] if length else piece[: len(piece) // 2]
        if kept:
            sent = True
            yield kept
        left -= len(piece)
        if left <= 0:
            raise ConnectionAbortedError("a fault cut the connection") if sent else CutConnection
