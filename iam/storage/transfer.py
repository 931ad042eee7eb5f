"""Copies one file: from this machine to a bucket, from a bucket to this machine, or from bucket to bucket.

Objects and files appear only when they are complete. Transfers are retried, and checksums are compared. Memory use does
not depend on the file size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from iam.errors import Conflict, FileFailed
from iam.storage.local_files import written
from iam.storage.paths import CloudPath, LocalPath
from iam.storage.plan import Copy
from iam.storage.progress import CopyProgress, CountedFile
from iam.storage.sources import LocalFile, unreadable
from iam.storage.store import CloudFile, ObjectStore

CHUNK = 8 * 2**20  # bytes of a resumable upload to hold in memory; larger files are sent in chunks
TIMEOUT = 60.0  # seconds to wait for an unresponsive server
RETRY_FOR = 120.0  # seconds


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies the files of one command. `root`: the destination; `no_clobber`: keep existing files."""

    store: ObjectStore
    root: str
    progress: CopyProgress
    no_clobber: bool = False

    def run(self, copy: Copy) -> None:
        """Copy one file. Raises a RaydockError that contains its name."""
        if isinstance(copy.target, LocalPath):
            assert isinstance(copy.source, CloudFile)
            self.download(copy.source, copy.target)
        elif isinstance(copy.source, LocalFile):
            self.upload(copy.source, copy.target)
        else:
            self.rewrite(copy.source, copy.target)
        self.progress.file_done()

    def upload(self, source: LocalFile, target: CloudPath) -> None:
        """Upload a file, with one chunk in memory."""
        blob = self.store.blob(target)
        blob.chunk_size = CHUNK if source.size > CHUNK else None
        kind = content_type(source.path.text)
        with self.creating(target, source.size), opened(source) as file:
            counted: Any = CountedFile(file, self.progress)
            blob.upload_from_file(
                counted, size=source.size, content_type=kind, **self.condition(), **retries()
            )

    def download(self, source: CloudFile, target: LocalPath) -> None:
        """Download an object, in the generation that was listed."""
        if self.no_clobber and os.path.lexists(target.text):
            self.progress.keep(source.size)
            return
        with written(target.text, self.root) as file:
            fetch(self.store, source, CountedFile(file, self.progress), f"{target} was not written")

    def rewrite(self, source: CloudFile, target: CloudPath) -> None:
        """Copy within Cloud Storage, without moving data through this machine."""
        blob, original, token = self.store.blob(target), self.store.blob(source.path), None
        unchanged = {} if self.no_clobber else {"if_source_generation_match": source.generation}
        with self.creating(target, source.size), changed(source, self.no_clobber):
            while True:
                token, _, _ = blob.rewrite(
                    original, token=token, **unchanged, **self.condition(), **retries()
                )
                self.progress.advance(0)
                if token is None:
                    break
        self.progress.advance(source.size)

    def condition(self) -> Mapping[str, int]:
        """The condition of a write: with `no_clobber`, that the object does not exist yet."""
        return {"if_generation_match": 0} if self.no_clobber else {}

    @contextmanager
    def creating(self, target: CloudPath, size: int) -> Iterator[None]:
        """Translate the errors of a write to a bucket. With `no_clobber`, an existing object is kept."""
        try:
            with self.store.calls(target, "create", f"{target} was not written"):
                yield
        except Conflict:
            if not self.no_clobber:
                raise
            self.progress.keep(size)


def content_type(path: str) -> str:
    """A file's media type, from its name. For a compressed file, it is that of the compression."""
    import mimetypes

    kind, encoding = mimetypes.guess_type(path)
    if encoding:
        return "application/gzip" if encoding == "gzip" else "application/octet-stream"
    return kind or "application/octet-stream"


def fetch(store: ObjectStore, source: CloudFile, file: Any, consequence: str) -> None:
    """Write the content of an object, in the generation that was listed, to a file."""
    with store.calls(source.path, "get", consequence), changed(source):
        store.blob(source.path).download_to_file(file, if_generation_match=source.generation, **retries())


@contextmanager
def changed(source: CloudFile, no_clobber: bool = False) -> Iterator[None]:
    """Translate the errors for an object that was replaced or removed while it was being copied.

    With `no_clobber`, a failed precondition is the target's.
    """
    from google.api_core.exceptions import NotFound, PreconditionFailed
    from google.cloud.storage.exceptions import DataCorruption

    try:
        yield
    except DataCorruption:
        raise Conflict(f"{source.path} was corrupted during the download.", "run the command again") from None
    except (PreconditionFailed, NotFound) as fault:
        if no_clobber and isinstance(fault, PreconditionFailed):
            raise
        raise Conflict(f"{source.path} changed while it was being copied.", "run the command again") from None


@contextmanager
def opened(source: LocalFile) -> Iterator[IO[bytes]]:
    """Open a file for an upload. Raises FileFailed if it can't be read, or if its size changes during the upload."""
    try:
        file = open(source.path.text, "rb")  # noqa: SIM115
    except OSError as fault:
        raise unreadable(source.path.text, fault) from None
    with file:
        try:
            yield file
        except ValueError as fault:  # google-resumable-media: fewer bytes than announced
            raise FileFailed(
                f"{source.path} changed while it was being copied: {fault}.", "run the command again"
            ) from None
        if os.fstat(file.fileno()).st_size != source.size:
            raise FileFailed(f"{source.path} changed while it was being copied.", "run the command again")


def retries() -> Mapping[str, Any]:
    """The timeout and retry arguments of a transfer."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return {"timeout": TIMEOUT, "retry": DEFAULT_RETRY.with_delay(0.2, 5).with_timeout(RETRY_FOR)}
