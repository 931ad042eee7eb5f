"""Uploads, in one request (media, multipart) or several (resumable).

https://cloud.google.com/storage/docs/json_api/v1/objects/insert
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

from cloud.google_errors import ApiError
from cloud.json_body import read_json
from cloud.storage.conditions import Preconditions, read_conditions
from cloud.storage.documents import object_document
from cloud.storage.listing import projection
from cloud.storage.multipart import Parts, boundary_of, malformed
from cloud.storage.request import EVERYWHERE, StorageRequest, StorageResponse, invalid, unsupported
from cloud.storage.service import Service, checked_name
from cloud.storage.store.content import Content, Writer, new_blob
from cloud.storage.store.index import UploadRecord

SESSION = 7 * 24 * 3600  # lifetime of a resumable upload in seconds, as on Google Cloud
MAX_WRITERS = 256  # resumable uploads whose running checksums are kept in memory
CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)")
IN_SESSION = frozenset({"uploadType", "upload_id", "name"})


@dataclass(frozen=True, slots=True)
class NewObject:
    """The object that an upload creates: name, metadata and the checksums the client sent (base64, or "")."""

    name: str
    document: dict[str, Any]
    md5: str
    crc32c: str

    def check(self, content: Content) -> None:
        """Raise ApiError (400, Google's text) if a checksum does not match the content."""
        for label, given, real in (
            ("MD5 hash", self.md5, content.md5),
            ("CRC32C", self.crc32c, content.crc32c),
        ):
            if given and given != real:
                raise ApiError(
                    400, "invalid", f'Provided {label} "{given}" doesn\'t match calculated {label} "{real}".'
                )


def read_wanted(call: StorageRequest, metadata: Mapping[str, Any], content_type: str = "") -> NewObject:
    """Read the object to create from query, metadata and headers. Raises ApiError (400) if they disagree."""
    in_query, in_body = call.query.get("name", ""), metadata.get("name") or ""
    if not isinstance(in_body, str) or (in_query and in_body and in_query != in_body):
        raise ApiError(400, "invalid", "The object's names in the query and the body differ.")
    if metadata.get("bucket") not in (None, "", call.names["bucket"]):
        raise ApiError(400, "invalid", "The object's buckets in the path and the body differ.")
    given = dict(metadata)
    for name, text in (
        ("contentType", content_type),
        ("contentEncoding", call.query.get("contentEncoding", "")),
    ):
        if text and not given.get(name):
            given[name] = text
    pairs = (one.strip().partition("=") for one in call.headers.get("X-Goog-Hash", "").split(","))
    hashes = {kind: value for kind, _, value in pairs}
    return NewObject(
        checked_name(in_query or in_body),
        object_document(given),
        checksum("md5Hash", metadata.get("md5Hash") or hashes.get("md5", ""), 16),
        checksum("crc32c", metadata.get("crc32c") or hashes.get("crc32c", ""), 4),
    )


def checksum(name: str, text: Any, length: int) -> str:
    """A base64 checksum of `length` bytes, or "". Raises ApiError (400) for anything else."""
    try:
        if text and len(base64.b64decode(text, validate=True)) != length:
            raise ValueError
    except (ValueError, TypeError, binascii.Error):
        raise invalid(name, str(text)) from None
    return str(text)


async def insert(service: Service, call: StorageRequest) -> StorageResponse:
    """POST: a whole upload or the start of a resumable one. gcsfs also sends a resumable upload's chunks by POST."""
    service.bucket(call.names["bucket"])
    projection(call)
    kind = call.query.get("uploadType", "")
    if "upload_id" in call.query:
        return await resume(service, call)
    if call.query.get("name"):  # before reading a body that the caller may not upload
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
    """An upload with metadata and content in one multipart body."""
    parts = Parts(call.body, boundary_of(call.headers.get("Content-Type", "")))
    if await parts.next() is None:
        raise malformed("it has no metadata")
    metadata = await read_json(parts.content())
    headers = await parts.next()
    if headers is None:
        raise malformed("it has no content")
    transfer = str(headers.get("Content-Transfer-Encoding") or "binary").strip().lower()
    if transfer not in ("binary", "7bit", "8bit"):
        raise unsupported(f"the Content-Transfer-Encoding {transfer}")
    wanted = read_wanted(call, metadata, str(headers.get("Content-Type") or ""))
    return await whole(service, call, wanted, last_part(parts))


async def last_part(parts: Parts) -> AsyncIterator[bytes]:
    """The content of the current part. Raises ApiError (400) if another part follows."""
    async for piece in parts.content():
        yield piece
    if await parts.next() is not None:
        raise malformed("it has more than two parts")


async def whole(
    service: Service, call: StorageRequest, wanted: NewObject, pieces: AsyncIterator[bytes]
) -> StorageResponse:
    """Write an upload's content and create the object; remove the content on any failure."""
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
    """The upload session of the query.

    Raises ApiError: 404 unless this caller started it for this bucket, 410 after a week.
    """
    if not call.query.get("upload_id"):
        raise ApiError(400, "required", "Required parameter: upload_id")
    found = service.index.upload(call.query["upload_id"])
    mine = found and (found.principal, found.bucket) == (call.principal, call.names["bucket"])
    if found is None or not mine or call.query.get("name", found.name) != found.name:
        raise ApiError(404, "notFound", "The caller has no such resumable upload.")
    if unknown := set(call.query) - IN_SESSION - EVERYWHERE:
        raise ApiError(
            400,
            "invalid",
            f"{', '.join(sorted(unknown))} can be set only when a resumable upload is started.",
        )
    if found.started + SESSION < time.time():
        service.index.end_upload(found.id)
        raise ApiError(410, "gone", "This resumable upload is over a week old: start a new one.")
    return found


async def cancel(service: Service, call: StorageRequest) -> StorageResponse:
    """Cancel a resumable upload; 499, as Google answers."""
    writer = writer_of(service, session_of(service, call))
    async with writer.lock:
        session = session_of(service, call)  # another request may have ended it
        writer.close()
        service.writers.pop(session.id, None)
        service.index.end_upload(session.id)
    return StorageResponse(499)


def writer_of(service: Service, session: UploadRecord) -> Writer:
    """A session's writer, with its running checksums. Drops the writers of the longest idle sessions."""
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
        session = session_of(service, call)  # another request may have ended it
        if session.done:
            return finished(service, call, session)
        return await received(service, call, session, writer, part)


@dataclass(frozen=True, slots=True)
class Part:
    """A Content-Range. `end` is exclusive, None for the end of the body; `total` is None if not known yet.

    If `start` is None, the request has no content and asks for the number of bytes received.
    """

    start: int | None = 0
    end: int | None = None
    total: int | None = None
    open: bool = False  # more content follows


def content_range(text: str) -> Part:
    """Parse a Content-Range; without one, the body is the rest of the content. Raises ApiError (400)."""
    if not text:
        return Part()
    found = CONTENT_RANGE.fullmatch(text)
    if found is None:
        raise invalid("Content-Range", text)
    total = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return Part(None, None, total, open=total is None)
    start, end = int(found[1]), int(found[2]) + 1
    if end <= start or (total is not None and end > total):
        raise invalid("Content-Range", text)
    return Part(start, end, total, open=total is None or end < total)


async def received(
    service: Service, call: StorageRequest, session: UploadRecord, writer: Writer, part: Part
) -> StorageResponse:
    """Handle one request of a resumable upload; complete it if this is the last part."""
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
        if part.total is not None and writer.size != part.total:  # more than that was already received
            await writer.pause()
            raise invalid("Content-Range", call.headers["Content-Range"])
    return await complete(service, call, session, writer)


async def append(call: StorageRequest, writer: Writer, part: Part, start: int) -> None:
    """Append the bytes not received yet. Keeps what arrived if the body breaks off."""
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
    """Create the object of a fully received upload; end the session if that is refused."""
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
        raise ApiError(404, "notFound", "The object of this upload no longer exists.")
    return StorageResponse(body=service.resource(found, call))


def incomplete(size: int) -> StorageResponse:
    """The 308 that reports the number of bytes received."""
    return StorageResponse(308, headers={"Range": f"bytes=0-{size - 1}"} if size else {})
