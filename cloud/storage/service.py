"""Code shared by the storage API's methods: permission checks, holds, retention, and object creation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.faults.active import Faults
from cloud.google_errors import ApiError, no_bucket
from cloud.identity.access import Access
from cloud.storage.conditions import Preconditions
from cloud.storage.documents import RELEASED, object_resource, time_of
from cloud.storage.request import StorageRequest
from cloud.storage.store.content import Content, Writer, content_of, new_blob
from cloud.storage.store.index import Index
from cloud.storage.store.records import BucketRecord, Check, ObjectRecord
from iam.policy import resource as resources
from iam.policy.resource import wrong_object

log = logging.getLogger("cloud")


@dataclass(slots=True)
class Service:
    """The storage. `folder`: the objects' content. `writers`: open resumable uploads by session ID.

    `faults`: those that hit its calls on purpose.
    """

    access: Access
    index: Index
    folder: Path
    writers: dict[str, Writer] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def resource(self, found: ObjectRecord, call: StorageRequest) -> dict[str, Any]:
        """An object as the API returns it to this caller."""
        return object_resource(found, call.base, self.retained(found))

    def bucket(self, name: str) -> BucketRecord:
        """A bucket. Raises ApiError (Google's 404) if it does not exist."""
        found = self.index.bucket(name)
        if found is None or name not in self.access.lab_state.buckets:
            raise no_bucket()
        return found

    def require(self, call: StorageRequest, permission: str, bucket: str, name: str) -> None:
        """Check a permission on an object. Raises ApiError: 404 for the bucket, 403, or 400 for an invalid name."""
        self.bucket(bucket)
        self.access.require(call.principal, permission, resources.obj(bucket, checked_name(name)))

    def may(self, call: StorageRequest, permission: str, bucket: str, name: str) -> bool:
        """Whether the caller has a permission on an object. Raises ApiError like `require`, except for 403."""
        self.bucket(bucket)
        return self.access.may(call.principal, permission, resources.obj(bucket, checked_name(name)))

    def found(self, bucket: str, name: str, generation: int | None) -> ObjectRecord:
        """An object's live or given generation. Raises ApiError (Google's 404) if it does not exist."""
        found = self.index.object(bucket, name, generation)
        if found is None:
            raise no_object(bucket, name)
        return found

    def close(self) -> None:
        """Close the open uploads and the index."""
        for writer in self.writers.values():
            writer.close()
        self.index.database.close()

    def path(self, blob: str) -> Path:
        """The file that stores a blob."""
        return self.folder / blob

    def writer(self) -> Writer:
        """A writer for new content."""
        return Writer(self.path(new_blob()))

    def discard(self, blob: str) -> None:
        """Delete a blob's file."""
        remove(self.path(blob))

    def replaceable(
        self, call: StorageRequest, bucket: str, name: str, conditions: Preconditions
    ) -> Callable[[ObjectRecord | None], None]:
        """The check to run at the moment of writing: the bucket's identity, permissions, preconditions and holds.

        Policies and buckets may change while the body is being read.
        """
        began = self.bucket(bucket).created

        def check(live: ObjectRecord | None) -> None:
            if self.bucket(bucket).created != began:
                raise no_bucket()
            self.require(call, "storage.objects.create", bucket, name)
            conditions.require(live.generation if live else 0, live.metageneration if live else 0)
            if live is None:
                return
            self.require(call, "storage.objects.delete", bucket, name)
            self.free(live)

        return check

    def free(self, found: ObjectRecord) -> None:
        """Raise ApiError (Google's 403) if a hold or a retention policy protects a generation."""
        what = f"Object '{found.bucket}/{found.name}'"
        for hold, word in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
            if found.document.get(hold):
                raise ApiError(
                    403,
                    "objectUnderActiveHold",
                    f"{what} is under active {word} hold and cannot be deleted, overwritten or archived until "
                    "hold is removed.",
                )
        until = self.retained(found)
        if until > time.time():
            raise ApiError(
                403,
                "retentionPolicyNotMet",
                f"{what} is subject to bucket's retention policy or object retention and cannot be deleted or "
                f"overwritten until {time_of(until)}",
            )

    def retained(self, found: ObjectRecord) -> float:
        """A generation's retention expiry (Unix time); 0 without a policy. Releasing a hold restarts the retention."""
        bucket = self.index.bucket(found.bucket)
        policy = (bucket.document.get("retentionPolicy") if bucket else None) or {}
        began = max(found.created, float(found.document.get(RELEASED, 0)))
        return began + int(policy["retentionPeriod"]) if policy else 0.0

    def keep(
        self,
        bucket: str,
        name: str,
        content: Content,
        document: dict[str, Any],
        check: Check,
        components: int = 0,
        upload: str = "",
    ) -> ObjectRecord:
        """Turn complete content into an object. Discards the content if `check` or the write fails."""
        try:
            document = self.defaults(bucket) | document
            return self.index.put(bucket, name, content, document, check, components, upload)
        except BaseException:
            self.discard(content.blob)
            raise

    def defaults(self, bucket: str) -> dict[str, Any]:
        """The fields that an object inherits from its bucket."""
        about = self.bucket(bucket).document
        hold = {"eventBasedHold": True} if about.get("defaultEventBasedHold") else {}
        return {"storageClass": about.get("storageClass", "STANDARD"), **hold}


def open_service(access: Access, folder: Path) -> Service:
    """Open the storage in a folder and add the lab's new buckets.

    Removes unreferenced content, for example from a crashed upload. A bucket that is missing from the lab's state
    because lab.yaml has changed stays in its project and gets the default policy.
    """
    content, lab_state = folder / "content", access.lab_state
    content.mkdir(mode=0o700, parents=True, exist_ok=True)
    index = Index.open(folder / "index.sqlite", lambda blob: remove(content / blob))
    kept = index.blobs()
    for path in content.iterdir():
        if path.name not in kept:
            remove(path)
    service = Service(access, index, content)
    for name, project in index.projects().items():
        if name not in lab_state.buckets and project in lab_state.projects:
            lab_state.add_bucket(name, project)
    for name, holder in lab_state.buckets.items():
        known = index.bucket(name)
        if known is None or known.project != holder.project:
            index.put_bucket(name, holder.project, known.document if known else {})
        if known is None:
            for key, text in lab_state.objects.get(name, {}).items():
                put_text(service, name, key, text)
    return service


def remove(path: Path) -> None:
    """Delete a blob's file. If that fails, the next start deletes it, because nothing refers to it."""
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        log.warning("could not delete %s; the next start tries again: %s", path, fault)


def put_text(service: Service, bucket: str, name: str, text: str) -> ObjectRecord:
    """Create an object with one line of text."""
    blob, data = new_blob(), text.encode() + b"\n"
    service.path(blob).write_bytes(data)
    document = service.defaults(bucket) | {"contentType": "text/plain; charset=utf-8"}
    return service.index.put(bucket, name, content_of(blob, data), document)


def checked_name(name: str) -> str:
    """The name, if it is a valid object name. Raises ApiError (400) otherwise."""
    if not name:
        raise ApiError(400, "required", "Required parameter: name")
    problem = wrong_object(name)
    if problem:
        raise ApiError(400, "invalid", f"Invalid object name: {problem}.")
    return name


def no_object(bucket: str, name: str) -> ApiError:
    """Google's 404 for an object."""
    return ApiError(404, "notFound", f"No such object: {bucket}/{name}")
