"""The object that an upload creates."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.google_errors import ApiError
from cloud.storage.documents import object_document
from cloud.storage.request import StorageRequest, invalid
from cloud.storage.service import checked_name
from cloud.storage.store.content import Content


@dataclass(frozen=True, slots=True)
class NewObject:
    """The object that an upload creates: its name, metadata and the checksums that the client sent (base64, or "")."""

    name: str
    document: dict[str, Any]
    md5: str
    crc32c: str

    def check(self, content: Content) -> None:
        """Raise ApiError (400, Google's message) if a checksum does not match the content."""
        for label, given, real in (
            ("MD5 hash", self.md5, content.md5),
            ("CRC32C", self.crc32c, content.crc32c),
        ):
            if given and given != real:
                raise ApiError(
                    400, "invalid", f'Provided {label} "{given}" doesn\'t match calculated {label} "{real}".'
                )


def read_wanted(call: StorageRequest, metadata: Mapping[str, Any], content_type: str = "") -> NewObject:
    """Read the object to create from the query, metadata and headers. Raises ApiError (400) if they disagree."""
    in_query, in_body = call.query.get("name", ""), metadata.get("name") or ""
    if not isinstance(in_body, str) or (in_query and in_body and in_query != in_body):
        raise ApiError(400, "invalid", "The object's name in the query differs from the name in the body.")
    if metadata.get("bucket") not in (None, "", call.names["bucket"]):
        raise ApiError(400, "invalid", "The object's bucket in the path differs from the bucket in the body.")
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
    """A `length`-byte checksum in base64, or "". Raises ApiError (400) for anything else."""
    try:
        if text and len(base64.b64decode(text, validate=True)) != length:
            raise ValueError
    except (ValueError, TypeError, binascii.Error):
        raise invalid(name, str(text)) from None
    return str(text)
