"""Access to objects through Google's client, with errors that contain the caller, the permission and the fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from iam.google_clients import ApiCall, retry_options, storage_client, translated_errors
from iam.session import Session
from iam.storage.paths import CloudPath
from raydock.errors import NotFound, RaydockError
from raydock.terminal.commandline import near

READER, USER = "roles/storage.objectViewer", "roles/storage.objectUser"
SAMPLE = 1000  # names to compare with a wrong one


@dataclass(frozen=True, slots=True)
class CloudFile:
    """An object: its generation, size in bytes and the time of its last change."""

    path: CloudPath
    generation: int
    size: int
    updated: str = ""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """The caller's view of Cloud Storage. `client` is google-cloud-storage's Client."""

    client: Any
    session: Session

    def blob(self, path: CloudPath) -> Any:
        """The Google client's blob for a path. Sends no request."""
        return self.client.bucket(path.bucket).blob(path.name)

    def find(self, path: CloudPath) -> CloudFile | None:
        """The object with that name, or None."""
        if path.is_folder:
            return None
        with self.calls(path, "get", "nothing was done"):
            found = self.client.bucket(path.bucket).get_blob(path.name, **retry_options())
        return file_of(found) if found else None

    def files(self, path: CloudPath, prefix: str, versions: bool = False) -> Iterator[CloudFile]:
        """The objects in a bucket whose names start with `prefix`. Raises NotFound for an unknown bucket."""
        with self.listing(path.bucket):
            for blob in self.client.list_blobs(
                path.bucket, prefix=prefix or None, versions=versions or None, **retry_options()
            ):
                yield file_of(blob)

    def children(self, folder: CloudPath) -> tuple[list[CloudPath], list[CloudFile]]:
        """The folders and the objects directly in a folder."""
        with self.listing(folder.bucket):
            found = self.client.list_blobs(
                folder.bucket, prefix=folder.folder or None, delimiter="/", **retry_options()
            )
            files = [file_of(blob) for blob in found]
        return [CloudPath(folder.bucket, name) for name in sorted(found.prefixes)], files

    def has_below(self, folder: CloudPath) -> bool:
        """Whether anything is in the folder."""
        with self.listing(folder.bucket):
            found = self.client.list_blobs(
                folder.bucket, prefix=folder.folder or None, max_results=1, **retry_options()
            )
            return any(True for _ in found)

    @contextmanager
    def listing(self, bucket: str) -> Iterator[None]:
        """Translate the errors of a listing. Raises NotFound, with the most similar name, for an unknown bucket."""
        try:
            with self.calls(CloudPath(bucket), "list", "nothing was done"):
                yield
        except NotFound:
            raise self.missing_bucket(bucket) from None

    def delete(self, file: CloudFile, forever: bool = False) -> None:
        """Delete an object, if it exists. `forever` deletes this generation permanently, even in a versioned bucket."""
        try:
            with self.calls(file.path, "delete", f"{file.path} was not removed"):
                generation = {"generation": file.generation} if forever else {}
                blob = self.client.bucket(file.path.bucket).blob(file.path.name, **generation)
                expected = {} if forever else {"if_generation_match": file.generation}
                blob.delete(**expected, **retry_options())
        except NotFound:
            return

    def calls(self, path: CloudPath, verb: str, consequence: str) -> AbstractContextManager[None]:
        """Translate the errors of a call that needs storage.objects.`verb`."""
        role = READER if verb in ("get", "list") else USER
        grant = f"python -m iam grant gs://{path.bucket} --role={role} --member={self.session.who}"
        permission = f"storage.objects.{verb}"
        return translated_errors(
            ApiCall(self.session.who, str(path), consequence, permission, grant + self.session.flags)
        )

    def missing_bucket(self, name: str, command: str = "") -> NotFound:
        """The error for a bucket that does not exist, with the most similar name or a helpful `command`."""
        close = near(name, self.session.buckets)
        command = command or "python -m iam bucket list"
        return NotFound(
            f"gs://{name} does not exist.",
            f"did you mean gs://{close}?" if close else command + self.session.flags,
        )

    def missing(self, path: CloudPath) -> NotFound:
        """The error for a path that does not exist, with the most similar name."""
        try:
            names = self.names_near(path)
        except RaydockError:
            names = []
        close = near(path.name.rstrip("/"), names) if path.name else ""
        fix = (
            f"did you mean {CloudPath(path.bucket, close)}?" if close else f"python -m iam ls {parent(path)}"
        )
        return NotFound(f"{path} does not exist.", fix + ("" if close else self.session.flags))

    def names_near(self, path: CloudPath) -> list[str]:
        """Some names in the same folder."""
        folders, files = self.children(parent(path))
        return [one.name for one in (*folders[:SAMPLE], *(file.path for file in files[:SAMPLE]))]


def parent(path: CloudPath) -> CloudPath:
    """The folder that contains a path."""
    start, slash, _ = path.name.rstrip("/").rpartition("/")
    return CloudPath(path.bucket, start + slash)


def open_store(session: Session) -> ObjectStore:
    """The session's view of Cloud Storage."""
    return ObjectStore(storage_client(session), session)


def file_of(blob: Any) -> CloudFile:
    """An object from Google's resource."""
    path = CloudPath(blob.bucket.name, blob.name)
    updated = blob.updated.strftime("%Y-%m-%dT%H:%M:%SZ") if blob.updated else ""
    return CloudFile(path, int(blob.generation or 0), int(blob.size or 0), updated)
