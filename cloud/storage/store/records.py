"""The index's records of buckets, objects and unfinished uploads, and the tables that store them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.storage.store.content import Content

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, project TEXT NOT NULL, metageneration INTEGER NOT NULL, created REAL NOT NULL,
    updated REAL NOT NULL, document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL, metageneration INTEGER NOT NULL,
    blob TEXT NOT NULL, size INTEGER NOT NULL, crc32c TEXT NOT NULL, md5 TEXT NOT NULL, components INTEGER NOT NULL,
    created REAL NOT NULL, updated REAL NOT NULL, replaced REAL, document TEXT NOT NULL,
    PRIMARY KEY (bucket, name, generation)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS live ON objects (bucket, name) WHERE replaced IS NULL;
CREATE INDEX IF NOT EXISTS blobs ON objects (blob);
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, name TEXT NOT NULL, principal TEXT NOT NULL, started REAL NOT NULL,
    blob TEXT NOT NULL, document TEXT NOT NULL, done TEXT NOT NULL
) WITHOUT ROWID;
"""
OBJECT = (
    "bucket, name, generation, metageneration, blob, size, crc32c, md5, components, created, updated, replaced, "
    "document"
)
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """A bucket. `document`: the fields that a client may set; times are Unix times."""

    name: str
    project: str
    metageneration: int
    created: float
    updated: float
    document: Document

    @property
    def versioned(self) -> bool:
        """Whether object versioning is enabled."""
        return bool((self.document.get("versioning") or {}).get("enabled"))


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One generation of an object. `replaced`: the time at which it became noncurrent; None for the live one.

    `components`: the number of parts it was composed from; 0 if uploaded.
    """

    bucket: str
    name: str
    generation: int
    metageneration: int
    content: Content
    components: int
    created: float
    updated: float
    replaced: float | None
    document: Document


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A resumable upload. `document`: the parameters of its first request; `done`: the generation it created, or ""."""

    id: str
    bucket: str
    name: str
    principal: str
    started: float
    blob: str
    document: Document
    done: str = ""


Check = Callable[[ObjectRecord | None], None]  # receives the live object; raises to refuse the write


def no_check(_: ObjectRecord | None) -> None:
    """Accept every write."""


def bucket_of_row(row: Any) -> BucketRecord:
    """A bucket from a row of the `buckets` table."""
    *values, document = row
    return BucketRecord(*values, json.loads(document))  # type: ignore[call-arg]


def object_of_row(row: Any) -> ObjectRecord:
    """A generation from the OBJECT columns of the `objects` table."""
    bucket, name, generation, metageneration, blob, size, crc32c, md5, components, *times, document = row
    content = Content(blob, size, crc32c, md5)
    created, updated, replaced = times
    return ObjectRecord(
        bucket, name, generation, metageneration, content, components, created, updated, replaced, json.loads(document)
    )  # fmt: skip


def upload_of_row(row: Any) -> UploadRecord:
    """A resumable upload from a row of the `uploads` table."""
    *values, document, done = row
    return UploadRecord(*values, json.loads(document), done)  # type: ignore[call-arg]
