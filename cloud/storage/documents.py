"""Objects as the API returns them, and the fields that a client may set.

For a field that the lab does not support, the request fails with the field's name. No field is silently dropped.
https://cloud.google.com/storage/docs/json_api/v1/objects#resource
"""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from cloud.google_errors import ApiError
from cloud.storage.request import unsupported
from cloud.storage.store.records import ObjectRecord

CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
TEXTS = ("contentType", "contentEncoding", "contentDisposition", "contentLanguage", "cacheControl")
HOLDS = ("temporaryHold", "eventBasedHold")
RELEASED = "_released"  # when an event-based hold was released; internal
OBJECT_FIELDS = frozenset((*TEXTS, *HOLDS, "metadata", "customTime", "storageClass"))
# Set by the server and ignored in requests, as on Google Cloud: clients send back what they received.
OBJECT_OUTPUT = frozenset(
    {
        "kind",
        "id",
        "selfLink",
        "mediaLink",
        "name",
        "bucket",
        "generation",
        "metageneration",
        "size",
        "md5Hash",
        "crc32c",
        "etag",
        "timeCreated",
        "updated",
        "timeStorageClassUpdated",
        "timeFinalized",
        "timeDeleted",
        "componentCount",
        "owner",
        "retentionExpirationTime",
    }
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
METADATA = 8192  # maximum bytes of custom metadata


def time_of(seconds: float) -> str:
    """A Unix time in RFC 3339 format with milliseconds."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def etag(generation: int, metageneration: int) -> str:
    """The etag for an object or a bucket (generation 0)."""
    return base64.b64encode(f"{generation}/{metageneration}".encode()).decode()


def object_resource(found: ObjectRecord, base: str, retained: float = 0) -> dict[str, Any]:
    """An object as the API returns it.

    `base`: the URL at which the client reaches Cloud Storage; `retained`: its retention expiry (Unix time), or 0.
    """
    path = f"/b/{found.bucket}/o/{quote(found.name, safe='')}"
    optional = {
        "md5Hash": found.content.md5,
        "componentCount": found.components,
        "timeDeleted": time_of(found.replaced) if found.replaced is not None else "",
        "retentionExpirationTime": time_of(retained) if retained else "",
    }
    return {
        "kind": "storage#object",
        "id": f"{found.bucket}/{found.name}/{found.generation}",
        "selfLink": f"{base}/storage/v1{path}",
        "mediaLink": f"{base}/download/storage/v1{path}?generation={found.generation}&alt=media",
        "name": found.name,
        "bucket": found.bucket,
        "generation": str(found.generation),
        "metageneration": str(found.metageneration),
        "storageClass": "STANDARD",
        "size": str(found.content.size),
        "crc32c": found.content.crc32c,
        "etag": etag(found.generation, found.metageneration),
        "timeCreated": time_of(found.created),
        "timeFinalized": time_of(found.created),
        "timeStorageClassUpdated": time_of(found.created),
        "updated": time_of(found.updated),
        **{name: value for name, value in optional.items() if value},
        **{name: value for name, value in found.document.items() if name != RELEASED},
    }


def object_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """An object's client-set fields. Raises ApiError (400) for an unsupported field or invalid value."""
    unknown = sorted(set(given) - OBJECT_FIELDS - OBJECT_OUTPUT)
    if unknown:
        raise unsupported(f"an object's {', '.join(unknown)}")
    return {name: _object_value(name, value) for name, value in given.items() if name in OBJECT_FIELDS}


def _object_value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "metadata":
        return _metadata(value)
    if name in HOLDS:
        valid = isinstance(value, bool)
    elif name == "storageClass":
        valid = value in CLASSES
    elif name == "customTime":
        valid = isinstance(value, str) and is_time(value)
    else:
        valid = isinstance(value, str) and len(value) < 4096 and not re.search(r"[\x00-\x1f\x7f]", value)
    if not valid:
        raise ApiError(400, "invalid", f"Invalid value for {name}.")
    return value


def is_time(text: str) -> bool:
    """Whether a string is a valid RFC 3339 time."""
    try:
        instant(text)
    except ValueError:
        return False
    return bool(TIME.fullmatch(text))


def instant(text: str) -> datetime.datetime:
    """The time in an RFC 3339 string. Raises ValueError if it is malformed."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _metadata(value: Any) -> dict[str, str | None]:
    if not isinstance(value, dict) or not all(one is None or isinstance(one, str) for one in value.values()):
        raise ApiError(400, "invalid", "Invalid value for metadata: expected an object of strings.")
    if sum(len(f"{name}{text or ''}".encode()) for name, text in value.items()) > METADATA:
        raise ApiError(400, "invalid", f"The object's metadata exceeds {METADATA} bytes.")
    return value


def object_document(given: Mapping[str, Any], kept: Mapping[str, Any] = {}) -> dict[str, Any]:
    """An object's fields: those in `kept`, updated with `given`. Raises ApiError (400) like `object_fields`."""
    document = merged(kept, object_fields(given), frozenset({"metadata"}))
    _metadata(document.get("metadata", {}))  # the merged metadata may be too long
    return document


def merged(document: Mapping[str, Any], change: Mapping[str, Any], maps: frozenset[str]) -> dict[str, Any]:
    """Apply a PATCH: null removes a field or a key in one of the `maps`. https://www.rfc-editor.org/rfc/rfc7396"""
    result = dict(document)
    for name, value in change.items():
        if name in maps and isinstance(value, dict):
            value = {k: v for k, v in {**result.get(name, {}), **value}.items() if v is not None} or None
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    return result
