"""storage.googleapis.com: dispatches calls from HTTP requests and batches to their handlers."""

from __future__ import annotations

import logging
import re
import sqlite3
import zlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web

from cloud.faults import storage as faults
from cloud.google_errors import DISK_FULL, ApiError, is_full, storage_error
from cloud.storage import batch
from cloud.storage.fields import read_fields, selected
from cloud.storage.request import StorageRequest, StorageResponse, read_query, unsupported
from cloud.storage.routes import find
from cloud.storage.service import Service

log = logging.getLogger("cloud")

# Customer-supplied encryption keys, which the lab can't honor.
REFUSED_HEADERS = frozenset(
    f"x-goog-{of}encryption-{what}"
    for of in ("", "copy-source-")
    for what in ("algorithm", "key", "key-sha256")
)
TARGET_OF_CALL = re.compile(r"(?:https?://[^/?#]*)?(/[^?#]*)(?:\?([^#]*))?")


@dataclass(frozen=True, slots=True)
class Storage:
    """Handles requests to storage.googleapis.com."""

    service: Service

    async def handle(self, request: web.Request, base: str, raw: str = "") -> web.StreamResponse:
        """Handle a request. `base`: the URL at which the client reaches us. `raw` replaces the request's path."""
        path, _, query = request.raw_path.partition("?")
        path = raw or path
        body = request.content.iter_any()
        try:
            if request.method == "POST" and re.fullmatch(r"/batch(?:/storage/v1)?", path):
                reply = await self.answer_batch(request.headers, body, base)
            else:
                reply = await self.reply(request.method, f"{path}?{query}", request.headers, body, base)
            return await send(request, faults.cut_short(reply) if reply.cut else reply)
        except faults.CutConnection:
            if request.transport:
                request.transport.abort()
            return web.Response()

    async def answer_batch(
        self, headers: Mapping[str, str], body: AsyncIterator[bytes], base: str
    ) -> StorageResponse:
        """Run a batch."""
        handle = partial(self.batch_call, dict(headers), base)
        return await caught(batch.run(headers.get("Content-Type", ""), body, handle))

    async def batch_call(self, outer: Mapping[str, str], base: str, call: batch.BatchCall) -> StorageResponse:
        """Run one call in a batch. Ignores the target's host: a call never leaves this process."""
        headers = {name.title(): str(value) for name, value in call.headers.items()}
        headers.setdefault("Authorization", outer.get("Authorization", ""))
        headers |= faults.command_header(outer)
        found = TARGET_OF_CALL.fullmatch(call.target)
        if found is None:
            return refused(ApiError(400, "badRequest", "A call in the batch has a malformed path."))
        path, query = found[1].removeprefix(urlsplit(base).path.rstrip("/")), found[2] or ""
        if call.method in ("GET", "HEAD", "POST", "PUT") and re.match(
            "/(?:download|upload|resumable)/", path
        ):
            return refused(ApiError(400, "badRequest", "A batch cannot upload or download content."))
        reply = await self.reply(call.method, f"{path}?{query}", headers, _one(call.body), base)
        if reply.cut:
            raise faults.CutConnection
        if reply.content is not None:
            return refused(ApiError(400, "badRequest", "A batch cannot upload or download content."))
        return reply

    async def reply(
        self, method: str, target: str, headers: Mapping[str, str], body: AsyncIterator[bytes], base: str
    ) -> StorageResponse:
        """The response to one call, which may be an error."""
        path, _, query = target.partition("?")
        media = path.startswith("/download/") or "alt=media" in query.split("&")
        return await caught(self._reply(method, path, query, headers, body, base), media)

    async def _reply(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes],
        base: str,
    ) -> StorageResponse:
        route, names = find(method, path)
        single, several = read_query(query, route.known, route.several)
        access = self.service.access
        principal = access.principal(headers.get("Authorization", ""), single.get("access_token", ""))
        chosen = read_fields(single["fields"]) if single.get("fields") else None
        if unsupported_header := sorted(set(map(str.lower, headers)) & REFUSED_HEADERS):
            raise unsupported(f"the header {', '.join(unsupported_header)}")
        call = StorageRequest(method, path, names, single, several, headers, principal, base, body)
        handler = partial(route.handler, self.service)
        hits = self.service.faults.storage(faults.buckets_of(call), faults.is_command(call))
        reply = await (faults.injected(hits, call, handler) if hits else handler(call))
        if reply.body is not None and chosen is not None:
            return replace(reply, body=selected(reply.body, chosen))
        return reply


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def caught(reply: Awaitable[StorageResponse], media: bool = False) -> StorageResponse:
    """Await a reply and turn ApiError into an error response; 507 if the disk is full."""
    try:
        return await reply
    except ApiError as refusal:
        return refused(refusal, media)
    except (OSError, sqlite3.OperationalError) as fault:
        if is_full(fault):
            return refused(ApiError(507, "insufficientStorage", DISK_FULL), media)
        raise


def refused(refusal: ApiError, media: bool = False) -> StorageResponse:
    """The response to a refused call; plain text for a download (`media`)."""
    if refusal.status == 304:
        return StorageResponse(304)
    headers, body = storage_error(refusal)
    if media:
        headers["Content-Type"] = "text/plain; charset=UTF-8"
        return StorageResponse(refusal.status, headers=headers, raw=refusal.message.encode())
    return StorageResponse(refusal.status, body, headers)


async def send(request: web.Request, reply: StorageResponse) -> web.StreamResponse:
    """Send a reply. Reads the first piece of content before sending headers, so an early failure returns an error."""
    headers = dict(reply.headers)
    if reply.content is None:
        if reply.body is not None:
            headers["Content-Type"] = "application/json; charset=UTF-8"
        return web.Response(status=reply.status, body=reply.encoded(), headers=headers)
    if request.method == "HEAD":
        known = {"Content-Length": str(reply.length)} if reply.length >= 0 else {}
        return web.Response(status=reply.status, headers=headers | known)
    async with aclosing(reply.content) as content:  # type: ignore[type-var]
        try:
            first = await anext(content, b"")
        except zlib.error:
            return web.Response(
                status=400, text="The object's content is not valid gzip, although its metadata says so."
            )
        if len(first) == reply.length:
            return web.Response(status=reply.status, body=first, headers=headers)
        response = web.StreamResponse(status=reply.status, headers=headers)
        if reply.length >= 0:
            response.content_length = reply.length
        await response.prepare(request)
        try:
            await response.write(first)
            async for piece in content:
                await response.write(piece)
        except (OSError, zlib.error) as fault:  # abort, so the client can't mistake it for complete
            log.warning("download aborted: %s", fault)
            if request.transport:
                request.transport.abort()
            return response
        await response.write_eof()
        return response
