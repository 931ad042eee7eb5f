"""Uploads in one request, and the first request of a resumable upload."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cloud.json_body import read_json
from cloud.storage.conditions import read_conditions
from cloud.storage.listing import projection
from cloud.storage.multipart import Parts, boundary_of, malformed
from cloud.storage.request import StorageRequest, StorageResponse, invalid, unsupported
from cloud.storage.service import Service
from cloud.storage.uploads.new_object import NewObject, read_wanted
from cloud.storage.uploads.resumable import begin, resume


async def insert(service: Service, call: StorageRequest) -> StorageResponse:
    """POST: a whole upload, or the start of a resumable one. gcsfs also sends a resumable upload's chunks by POST."""
    service.bucket(call.names["bucket"])
    projection(call)
    kind = call.query.get("uploadType", "")
    if "upload_id" in call.query:
        return await resume(service, call)
    if call.query.get("name"):  # check before reading a body that the caller may not upload
        service.require(call, "storage.objects.create", call.names["bucket"], call.query["name"])
    if kind == "media":
        wanted = read_wanted(call, {}, call.headers.get("Content-Type", ""))
        return await whole(service, call, wanted, call.body)
    if kind == "multipart":
        return await multipart(service, call)
    if kind == "resumable":
        return await begin(service, call)
    raise invalid("uploadType", kind)


async def multipart(service: Service, call: StorageRequest) -> StorageResponse:
    """Handle an upload with metadata and content in one multipart body."""
    parts = Parts(call.body, boundary_of(call.headers.get("Content-Type", "")))
    if await parts.next() is None:
        raise malformed("it contains no metadata")
    metadata = await read_json(parts.content())
    headers = await parts.next()
    if headers is None:
        raise malformed("it contains no content")
    transfer = str(headers.get("Content-Transfer-Encoding") or "binary").strip().lower()
    if transfer not in ("binary", "7bit", "8bit"):
        raise unsupported(f"the Content-Transfer-Encoding {transfer}")
    wanted = read_wanted(call, metadata, str(headers.get("Content-Type") or ""))
    return await whole(service, call, wanted, last_part(parts))


async def last_part(parts: Parts) -> AsyncIterator[bytes]:
    """The current part's content. Raises ApiError (400) if another part follows."""
    async for piece in parts.content():
        yield piece
    if await parts.next() is not None:
        raise malformed("it contains more than two parts")


async def whole(
    service: Service, call: StorageRequest, wanted: NewObject, pieces: AsyncIterator[bytes]
) -> StorageResponse:
    """Write an upload's content and create the object. Removes the content on any failure."""
    bucket, conditions = call.names["bucket"], read_conditions(call)
    service.require(call, "storage.objects.create", bucket, wanted.name)
    check = service.replaceable(call, bucket, wanted.name, conditions)
    check(service.index.object(bucket, wanted.name))
    writer = service.writer()
    try:
        async for piece in pieces:
            await writer.write(piece)
        content = await writer.finish()
        wanted.check(content)
    except BaseException:
        writer.close()
        service.discard(writer.path.name)
        raise
    made = service.keep(bucket, wanted.name, content, wanted.document, check)
    return StorageResponse(body=service.resource(made, call))
