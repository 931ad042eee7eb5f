"""Resumable uploads: starting a session, receiving chunks, and completing or cancelling it."""

from __future__ import annotations

import secrets
import time
from dataclasses import astuple

from cloud.google_errors import ApiError
from cloud.storage.conditions import Preconditions, read_conditions
from cloud.storage.request import EVERYWHERE, StorageRequest, StorageResponse, invalid
from cloud.storage.service import Service
from cloud.storage.store.content import Writer, new_blob
from cloud.storage.store.records import UploadRecord
from cloud.storage.uploads.content_range import Part, content_range
from cloud.storage.uploads.new_object import NewObject, read_wanted

SESSION = 7 * 24 * 3600  # lifetime of a resumable upload in seconds, as on Google Cloud
MAX_WRITERS = 256  # resumable uploads whose running checksums are kept in memory
IN_SESSION = frozenset({"uploadType", "upload_id", "name"})


async def begin(service: Service, call: StorageRequest) -> StorageResponse:
    """Start a resumable upload and return its session URL."""
    bucket, conditions = call.names["bucket"], read_conditions(call)
    wanted = read_wanted(call, await call.json(), call.headers.get("X-Upload-Content-Type", ""))
    service.require(call, "storage.objects.create", bucket, wanted.name)
    service.replaceable(call, bucket, wanted.name, conditions)(service.index.object(bucket, wanted.name))
    document = {
        "document": wanted.document,
        "md5": wanted.md5,
        "crc32c": wanted.crc32c,
        "conditions": astuple(conditions),
    }
    id = secrets.token_urlsafe(48)
    service.index.begin_upload(
        UploadRecord(id, bucket, wanted.name, call.principal, time.time(), new_blob(), document)
    )
    where = f"{call.base}{call.path}?uploadType=resumable&upload_id={id}"
    return StorageResponse(headers={"Location": where, "X-GUploader-UploadID": id})


def session_of(service: Service, call: StorageRequest) -> UploadRecord:
    """The upload session in the query.

    Raises ApiError: 404 unless this caller started it for this bucket, 410 after a week.
    """
    if not call.query.get("upload_id"):
        raise ApiError(400, "required", "Required parameter: upload_id")
    found = service.index.upload(call.query["upload_id"])
    mine = found and (found.principal, found.bucket) == (call.principal, call.names["bucket"])
    if found is None or not mine or call.query.get("name", found.name) != found.name:
        raise ApiError(404, "notFound", "This resumable upload does not exist, or another caller started it.")
    if unknown := set(call.query) - IN_SESSION - EVERYWHERE:
        raise ApiError(
            400,
            "invalid",
            f"{', '.join(sorted(unknown))} can be set only when starting a resumable upload.",
        )
    if found.started + SESSION < time.time():
        service.index.end_upload(found.id)
        raise ApiError(410, "gone", "This resumable upload is over a week old: start a new one.")
    return found


async def cancel(service: Service, call: StorageRequest) -> StorageResponse:
    """Cancel a resumable upload. Returns 499, as Google does."""
    writer = writer_of(service, session_of(service, call))
    async with writer.lock:
        session = session_of(service, call)  # another request may have closed it
        writer.close()
        service.writers.pop(session.id, None)
        service.index.end_upload(session.id)
    return StorageResponse(499)


def writer_of(service: Service, session: UploadRecord) -> Writer:
    """A session's writer, with its running checksums. Drops the writers of the sessions that have been idle longest."""
    writer = service.writers.pop(session.id, None) or Writer(service.path(session.blob))
    idle = [id for id, one in service.writers.items() if not one.lock.locked()]
    for id in idle[: max(0, len(service.writers) - MAX_WRITERS)]:
        service.writers.pop(id).close()
    service.writers[session.id] = writer
    return writer


async def resume(service: Service, call: StorageRequest) -> StorageResponse:
    """PUT: the next chunk, the rest of the content, or a query for the number of bytes received."""
    part = content_range(call.headers.get("Content-Range", "").strip())
    writer = writer_of(service, session_of(service, call))
    async with writer.lock:
        session = session_of(service, call)  # another request may have closed it
        if session.done:
            return finished(service, call, session)
        return await received(service, call, session, writer, part)


async def received(
    service: Service, call: StorageRequest, session: UploadRecord, writer: Writer, part: Part
) -> StorageResponse:
    """Handle one request in a resumable upload, and complete the upload if this is the last part."""
    if part.start is None:
        if part.open or part.total != writer.size:
            return incomplete(writer.size)
    elif part.start > writer.size:
        raise ApiError(
            400,
            "invalid",
            f"Invalid request.  According to the Content-Range header, the upload offset is {part.start} byte(s), "
            f"which exceeds already uploaded size of {writer.size} byte(s).",
        )
    else:
        await append(call, writer, part, part.start)
        if part.open:
            return incomplete(await writer.pause())
        if part.total is not None and writer.size != part.total:  # more bytes had already been received
            await writer.pause()
            raise invalid("Content-Range", call.headers["Content-Range"])
    return await complete(service, call, session, writer)


async def append(call: StorageRequest, writer: Writer, part: Part, start: int) -> None:
    """Append the bytes not yet received. Keeps those that arrived if the body is cut short."""
    at = start
    try:
        async for piece in call.body:
            if part.end is not None and at + len(piece) > part.end:
                raise invalid("Content-Range", "the body is longer")
            new = piece[max(0, writer.size - at) :]
            at += len(piece)
            if new:
                await writer.write(new)
        if part.end not in (None, at):
            raise invalid("Content-Range", "the body is shorter")
    except BaseException:
        await writer.pause()
        raise


async def complete(
    service: Service, call: StorageRequest, session: UploadRecord, writer: Writer
) -> StorageResponse:
    """Create the object from a fully received upload. Ends the session if that is refused."""
    content = await writer.finish()
    service.writers.pop(session.id, None)
    stored = session.document
    wanted = NewObject(session.name, stored["document"], stored["md5"], stored["crc32c"])
    check = service.replaceable(call, session.bucket, session.name, Preconditions(*stored["conditions"]))
    try:
        wanted.check(content)
        made = service.keep(session.bucket, session.name, content, wanted.document, check, upload=session.id)
    except ApiError:
        service.index.end_upload(session.id)
        raise
    return StorageResponse(body=service.resource(made, call))


def finished(service: Service, call: StorageRequest, session: UploadRecord) -> StorageResponse:
    """Repeat a completed upload's response, for a client that missed it."""
    found = service.index.object(session.bucket, session.name, int(session.done))
    if found is None:
        raise ApiError(404, "notFound", "The object created by this upload no longer exists.")
    return StorageResponse(body=service.resource(found, call))


def incomplete(size: int) -> StorageResponse:
    """The 308 that reports the number of bytes received."""
    return StorageResponse(308, headers={"Range": f"bytes=0-{size - 1}"} if size else {})
