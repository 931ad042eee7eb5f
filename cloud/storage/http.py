"""storage.googleapis.com: routes calls to their handlers, from HTTP requests and batches.

https://cloud.google.com/storage/docs/json_api/v1; for the permissions that each method requires:
https://cloud.google.com/storage/docs/access-control/iam-json
"""

from __future__ import annotations

import logging
import re
import sqlite3
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web

from cloud.google_errors import DISK_FULL, ApiError, is_full, storage_error
from cloud.storage import batch, buckets, objects, uploads
from cloud.storage.conditions import METAGENERATION, NAMES, SOURCE_NAMES
from cloud.storage.fields import read_fields, selected
from cloud.storage.listing import PARAMETERS
from cloud.storage.request import StorageRequest, StorageResponse, decoded, read_query, unsupported
from cloud.storage.service import Service

log = logging.getLogger("cloud")

API = "/storage/v1"
BUCKET = r"/b/(?P<bucket>[^/]+)"
OBJECT = r"/o/(?P<object>[^/]+)"
TARGET = r"/b/(?P<to_bucket>[^/]+)/o/(?P<to_object>[^/]+)"
# Customer-supplied encryption keys, which the lab can't honor.
REFUSED_HEADERS = frozenset(
    f"x-goog-{of}encryption-{what}"
    for of in ("", "copy-source-")
    for what in ("algorithm", "key", "key-sha256")
)
TARGET_OF_CALL = re.compile(r"(?:https?://[^/?#]*)?(/[^?#]*)(?:\?([^#]*))?")
Handler = Callable[[Service, StorageRequest], Awaitable[StorageResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `known`: parameters besides those common to all methods; `several`: repeatable parameters."""

    methods: str
    path: re.Pattern[str]
    handler: Handler
    known: frozenset[str] = frozenset()
    several: frozenset[str] = frozenset()


def _route(methods: str, path: str, handler: Handler, known: str = "", several: str = "") -> Route:
    names = frozenset({"projection", *known.split()})
    return Route(methods, re.compile(path), handler, names, frozenset(several.split()))


CONDITIONS, OF_SOURCE = " ".join(NAMES), " ".join(SOURCE_NAMES)
OF_BUCKET = " ".join(METAGENERATION)
UPLOAD = f"uploadType upload_id name contentEncoding {CONDITIONS}"
ROUTES = (
    _route("GET", rf"{API}/b", buckets.list_buckets, "project prefix maxResults pageToken"),
    _route(
        "POST",
        rf"{API}/b",
        buckets.insert_bucket,
        "project predefinedAcl predefinedDefaultObjectAcl enableObjectRetention",
    ),
    _route("GET", rf"{API}{BUCKET}", buckets.get_bucket, OF_BUCKET),
    _route("PATCH PUT", rf"{API}{BUCKET}", buckets.change_bucket, OF_BUCKET),
    _route("DELETE", rf"{API}{BUCKET}", buckets.delete_bucket, OF_BUCKET),
    _route("GET", rf"{API}{BUCKET}/storageLayout", buckets.layout, "prefix"),
    _route("GET", rf"{API}{BUCKET}/iam", buckets.get_policy, "optionsRequestedPolicyVersion"),
    _route("PUT", rf"{API}{BUCKET}/iam", buckets.set_policy),
    _route("GET", rf"{API}{BUCKET}/iam/testPermissions", buckets.test_permissions, several="permissions"),
    _route(
        "GET POST PUT PATCH DELETE",
        rf"{API}{BUCKET}(?:{OBJECT})?/(?:acl|defaultObjectAcl)(?:/[^/]+)?",
        buckets.no_acls,
        "generation",
    ),
    _route("GET", rf"{API}{BUCKET}/o", objects.list_objects, " ".join(PARAMETERS)),
    _route(
        "GET HEAD", rf"(?:/download)?{API}{BUCKET}{OBJECT}", objects.get_object, f"generation {CONDITIONS}"
    ),
    _route("PATCH PUT", rf"{API}{BUCKET}{OBJECT}", objects.change_object, f"generation {CONDITIONS}"),
    _route("DELETE", rf"{API}{BUCKET}{OBJECT}", objects.delete_object, f"generation {CONDITIONS}"),
    _route("POST", rf"{API}{BUCKET}{OBJECT}/compose", objects.compose, " ".join(NAMES)),
    _route(
        "POST",
        rf"{API}{BUCKET}{OBJECT}/rewriteTo{TARGET}",
        objects.rewrite,
        f"sourceGeneration rewriteToken maxBytesRewrittenPerCall {CONDITIONS} {OF_SOURCE}",
    ),
    _route(
        "POST",
        rf"{API}{BUCKET}{OBJECT}/copyTo{TARGET}",
        objects.copy,
        f"sourceGeneration {CONDITIONS} {OF_SOURCE}",
    ),
    _route(
        "POST",
        rf"{API}{BUCKET}{OBJECT}/moveTo/o/(?P<to_object>[^/]+)",
        objects.move,
        f"{CONDITIONS} {OF_SOURCE}",
    ),
    _route("POST", rf"(?:/resumable)?/upload{API}{BUCKET}/o", uploads.insert, UPLOAD),
    _route("PUT", rf"(?:/resumable)?/upload{API}{BUCKET}/o", uploads.resume, UPLOAD),
    _route("DELETE", rf"(?:/resumable)?/upload{API}{BUCKET}/o", uploads.cancel, UPLOAD),
)
# Parts of the API that the lab does not have.
ABSENT = re.compile(
    rf"{API}(?:{BUCKET}(?:{OBJECT})?/(?P<kind>notificationConfigs|folders|managedFolders|anywhereCaches|"
    r"lockRetentionPolicy|restore|relocate|operations|watch|bulkRestore|ipFilter)(?:/.*)?"
    r"|/projects/[^/]+/(?P<of_project>hmacKeys|serviceAccount)(?:/.*)?)"
)


@dataclass(frozen=True, slots=True)
class Storage:
    """Handles requests to storage.googleapis.com."""

    service: Service

    async def handle(self, request: web.Request, base: str, raw: str = "") -> web.StreamResponse:
        """Handle a request. `base`: the URL at which the client reaches us; `raw`: replaces the request's path."""
        path, _, query = request.raw_path.partition("?")
        path = raw or path
        body = request.content.iter_any()
        if request.method == "POST" and re.fullmatch(r"/batch(?:/storage/v1)?", path):
            reply = await self.answer_batch(request.headers, body, base)
        else:
            reply = await self.reply(request.method, f"{path}?{query}", request.headers, body, base)
        return await send(request, reply)

    async def answer_batch(
        self, headers: Mapping[str, str], body: AsyncIterator[bytes], base: str
    ) -> StorageResponse:
        """Run a batch."""
        handle = partial(self.batch_call, dict(headers), base)
        return await caught(batch.run(headers.get("Content-Type", ""), body, handle))

    async def batch_call(self, outer: Mapping[str, str], base: str, call: batch.BatchCall) -> StorageResponse:
        """Run one call of a batch. Ignores the target's host: a call never leaves this process."""
        headers = {name.title(): str(value) for name, value in call.headers.items()}
        headers.setdefault("Authorization", outer.get("Authorization", ""))
        found = TARGET_OF_CALL.fullmatch(call.target)
        if found is None:
            return refused(ApiError(400, "badRequest", "A call of the batch has a malformed path."))
        path, query = found[1].removeprefix(urlsplit(base).path.rstrip("/")), found[2] or ""
        if call.method in ("GET", "HEAD", "POST", "PUT") and re.match(
            "/(?:download|upload|resumable)/", path
        ):
            return refused(ApiError(400, "badRequest", "A batch cannot upload or download content."))
        reply = await self.reply(call.method, f"{path}?{query}", headers, _one(call.body), base)
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
        reply = await route.handler(self.service, call)
        if reply.body is not None and chosen is not None:
            return StorageResponse(reply.status, selected(reply.body, chosen), reply.headers)
        return reply


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Find a call's route and decode the names in its path.

    Raises ApiError: 404 for an unknown path, 405 for a wrong method, 501 for a part of the API that the lab lacks.
    """
    allowed = []
    for route in ROUTES:
        if found := route.path.fullmatch(path):
            if method in route.methods.split():
                return route, {name: decoded(value) for name, value in found.groupdict().items() if value}
            allowed.append(route.methods)
    if allowed:
        raise ApiError(
            405, "methodNotAllowed", f"{method[:20]} is not allowed here; allowed: {' '.join(allowed)}."
        )
    if found := ABSENT.fullmatch(path):
        kind = found["kind"] or found["of_project"]
        raise ApiError(501, "notImplemented", f"The lab's storage does not support {kind}.")
    text = f"The lab's storage has no {path[:200]}: it implements the JSON API, not the XML API."
    raise ApiError(404, "notFound", text)


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
    """Send a reply. Reads the first piece of content before the headers, so an early failure is still an error."""
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
        except (OSError, zlib.error) as fault:  # abort, so the client can't take it for complete
            log.warning("download aborted: %s", fault)
            if request.transport:
                request.transport.abort()
            return response
        await response.write_eof()
        return response
