"""The index of buckets, objects and unfinished uploads, in SQLite.

Methods are short, synchronous and run on the event loop's thread, so nothing changes between a method's read and
its write. A check that must pass when an object is written is passed in as a function.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloud.storage.store.content import Content
from cloud.storage.store.records import (
    OBJECT,
    SCHEMA,
    BucketRecord,
    Check,
    Document,
    ObjectRecord,
    UploadRecord,
    bucket_of_row,
    no_check,
    object_of_row,
    upload_of_row,
)


@dataclass(slots=True)
class Index:
    """The index. `discard` is called with unreferenced content after a commit; `clock` returns the Unix time."""

    database: sqlite3.Connection
    discard: Callable[[str], None]
    clock: Callable[[], float] = time.time
    last: int = 0  # the newest generation
    unused: list[str] = field(default_factory=list)  # content to discard after the commit if unreferenced

    @classmethod
    def open(cls, path: Path | str, discard: Callable[[str], None]) -> Index:
        """Open the database and create missing tables."""
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(SCHEMA)
        (last,) = database.execute("SELECT coalesce(max(generation), 0) FROM objects").fetchone()
        return cls(database, discard, last=last)

    def generation(self) -> int:
        """A new generation: microseconds since 1970, as on Google Cloud, and always unique."""
        self.last = max(self.last + 1, int(self.clock() * 1e6))
        return self.last

    # buckets

    def bucket(self, name: str) -> BucketRecord | None:
        """A bucket; None if it does not exist."""
        row = self.database.execute("SELECT * FROM buckets WHERE name = ?", (name,)).fetchone()
        return bucket_of_row(row) if row else None

    def projects(self) -> dict[str, str]:
        """Every bucket's project."""
        return dict(self.database.execute("SELECT name, project FROM buckets"))

    def put_bucket(self, name: str, project: str, document: Document) -> BucketRecord:
        """Create a bucket, or replace its project and document and increment its metageneration."""
        now = self.clock()
        self.database.execute(
            "INSERT INTO buckets VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET project = excluded.project,"
            " metageneration = metageneration + 1, updated = excluded.updated, document = excluded.document",
            (name, project, now, now, json.dumps(document)),
        )
        found = self.bucket(name)
        assert found is not None
        return found

    def is_empty(self, bucket: str) -> bool:
        """Whether a bucket has no objects, including noncurrent ones."""
        return not self.database.execute(
            "SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (bucket,)
        ).fetchone()

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket and its unfinished uploads."""
        for upload in self.database.execute("SELECT id FROM uploads WHERE bucket = ?", (name,)).fetchall():
            self.end_upload(upload[0])
        self.database.execute("DELETE FROM buckets WHERE name = ?", (name,))

    # objects

    def object(self, bucket: str, name: str, generation: int | None = None) -> ObjectRecord | None:
        """An object's live or given generation; None if it does not exist."""
        where, values = "replaced IS NULL", (bucket, name)
        if generation is not None:
            where, values = "generation = ?", (bucket, name, generation)  # type: ignore[assignment]
        query = f"SELECT {OBJECT} FROM objects WHERE bucket = ? AND name = ? AND {where}"
        row = self.database.execute(query, values).fetchone()
        return object_of_row(row) if row else None

    def put(
        self,
        bucket: str,
        name: str,
        content: Content,
        document: Document,
        check: Check = no_check,
        components: int = 0,
        upload: str = "",
    ) -> ObjectRecord:
        """Create a new live generation if `check` allows it, and mark its resumable `upload` as done.

        The previous generation becomes noncurrent if the bucket is versioned; otherwise it is deleted.
        """
        check(self.object(bucket, name))
        now = self.clock()
        made = ObjectRecord(bucket, name, self.generation(), 1, content, components, now, now, None, document)
        with self._transaction():
            self._retire(bucket, name)
            self._insert(made)
            self.database.execute("UPDATE uploads SET done = ? WHERE id = ?", (str(made.generation), upload))
        return made

    def update(self, found: ObjectRecord, document: Document) -> ObjectRecord:
        """Replace a generation's document and increment its metageneration."""
        self.database.execute(
            "UPDATE objects SET document = ?, updated = ?, metageneration = metageneration + 1"
            " WHERE bucket = ? AND name = ? AND generation = ?",
            (json.dumps(document), self.clock(), found.bucket, found.name, found.generation),
        )
        changed = self.object(found.bucket, found.name, found.generation)
        assert changed is not None
        return changed

    def delete(self, found: ObjectRecord, forever: bool) -> None:
        """Delete a generation. Without `forever`, a live one becomes noncurrent if the bucket is versioned."""
        with self._transaction():
            if forever:
                self._remove(found)
            else:
                self._retire(found.bucket, found.name)

    def move(self, found: ObjectRecord, name: str, check: Check = no_check) -> ObjectRecord:
        """Rename the live object `found` atomically: a new generation, created now, with the same content."""
        check(self.object(found.bucket, name))
        now = self.clock()
        made = replace(
            found, name=name, generation=self.generation(), metageneration=1, created=now, updated=now
        )
        with self._transaction():
            self._retire(found.bucket, name)
            self._insert(made)
            self._retire(found.bucket, found.name)
        return made

    def scan(self, bucket: str, start: str, versions: bool) -> Iterator[ObjectRecord]:
        """The objects whose names are `start` or later, ordered by name and generation."""
        live = "" if versions else "AND replaced IS NULL"
        query = (
            f"SELECT {OBJECT} FROM objects WHERE bucket = ? AND name >= ? {live} ORDER BY name, generation"
        )
        return map(object_of_row, self.database.execute(query, (bucket, start)))

    # uploads

    def begin_upload(self, upload: UploadRecord) -> None:
        """Record a resumable upload."""
        values = (
            upload.id, upload.bucket, upload.name, upload.principal, upload.started, upload.blob,
            json.dumps(upload.document), "",
        )  # fmt: skip
        self.database.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def upload(self, id: str) -> UploadRecord | None:
        """A resumable upload; None if it does not exist."""
        row = self.database.execute("SELECT * FROM uploads WHERE id = ?", (id,)).fetchone()
        return upload_of_row(row) if row else None

    def end_upload(self, id: str) -> None:
        """Remove a resumable upload, and its content unless it became an object."""
        found = self.upload(id)
        self.database.execute("DELETE FROM uploads WHERE id = ?", (id,))
        if found and not found.done:  # otherwise the content belongs to an object
            self.discard(found.blob)

    def blobs(self) -> set[str]:
        """The IDs of all referenced content."""
        query = "SELECT blob FROM objects UNION SELECT blob FROM uploads WHERE done = ''"
        return {blob for (blob,) in self.database.execute(query)}

    def _insert(self, made: ObjectRecord) -> None:
        content = made.content
        values = (
            made.bucket, made.name, made.generation, made.metageneration, content.blob, content.size, content.crc32c,
            content.md5, made.components, made.created, made.updated, made.replaced, json.dumps(made.document),
        )  # fmt: skip
        self.database.execute(
            f"INSERT INTO objects ({OBJECT}) VALUES ({', '.join('?' * len(values))})", values
        )

    def _retire(self, bucket: str, name: str) -> None:
        """Make the live generation noncurrent if the bucket is versioned; otherwise delete it."""
        live = self.object(bucket, name)
        if live is None:
            return
        about = self.bucket(bucket)
        if about and about.versioned:
            self.database.execute(
                "UPDATE objects SET replaced = ? WHERE bucket = ? AND name = ? AND generation = ?",
                (self.clock(), bucket, name, live.generation),
            )
        else:
            self._remove(live)

    def _remove(self, found: ObjectRecord) -> None:
        self.database.execute(
            "DELETE FROM objects WHERE bucket = ? AND name = ? AND generation = ?",
            (found.bucket, found.name, found.generation),
        )
        self.unused.append(found.content.blob)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.unused.clear()
        self.database.execute("BEGIN IMMEDIATE")
        with self.database:  # commits, or rolls back
            yield
        for blob in self.unused:
            if not self.database.execute("SELECT 1 FROM objects WHERE blob = ?", (blob,)).fetchone():
                self.discard(blob)
