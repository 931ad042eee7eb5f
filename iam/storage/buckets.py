"""Creates, lists and removes buckets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iam.errors import Conflict, MalformedResource
from iam.google_clients import ApiCall, retry_options, translated_errors
from iam.policy.resource import wrong_new_bucket
from iam.storage.parallel import for_each
from iam.storage.paths import CloudPath, bucket_of
from iam.storage.store import CloudFile, ObjectStore
from raydock.errors import PermissionDenied

NAMING = "https://cloud.google.com/storage/docs/buckets#naming"
OWN = "you already own it"  # in Google's 409 if the caller already owns the bucket


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, its location, and when it was created."""

    name: str
    location: str
    created: str

    def as_json(self) -> Mapping[str, str]:
        """The bucket as JSON."""
        return {"name": self.name, "location": self.location, "created": self.created}


def location(text: str) -> str:
    """A location in Google's notation. Raises MalformedResource if it can't be one."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{1,39}", text):
        raise MalformedResource(
            f'Invalid location "{text}".', "use a location such as us-central1, europe-west4, US or EU"
        )
    return text.upper()


def new_name(text: str) -> str:
    """The name of a bucket to create, from NAME or gs://NAME. Raises MalformedResource."""
    name = text.removeprefix("gs://").rstrip("/")
    if wrong := wrong_new_bucket(name):
        raise MalformedResource(f"This bucket can't be created: {wrong}.", f"see {NAMING}")
    return bucket_of(name)


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a project."""

    store: ObjectStore
    project: str

    def create(self, name: str, location: str, labels: Mapping[str, str] | None = None) -> bool:
        """Create a bucket without public access. Returns False if the caller already owns it.

        Raises Conflict if the name is taken.
        """
        bucket = self.store.client.bucket(name)
        bucket.iam_configuration.uniform_bucket_level_access_enabled = True
        bucket.iam_configuration.public_access_prevention = "enforced"
        bucket.labels = labels or {}
        where = {"project": self.project, "location": location}
        try:
            with translated_errors(self.api_call(name, f"gs://{name} was not created", "create")):
                self.store.client.create_bucket(bucket, **where, **retry_options())
        except Conflict as fault:
            if OWN in fault.message:
                return False
            raise
        return True

    def all(self) -> list[Bucket]:
        """The project's buckets, by name."""
        where = f"project {self.project}"
        api_call = ApiCall(self.store.session.who, where, "nothing was listed", "storage.buckets.list")
        with translated_errors(api_call):
            found = self.store.client.list_buckets(project=self.project, **retry_options())
            return [described(one) for one in found]

    def find(self, name: str) -> Bucket:
        """A bucket. Raises NotFound, with the most similar name."""
        with translated_errors(self.api_call(name, "nothing was changed", "get")):
            found = self.store.client.lookup_bucket(name, **retry_options())
        if found is None:
            raise self.store.missing_bucket(name)
        return described(found)

    def files(self, name: str) -> list[CloudFile]:
        """All objects in a bucket, in all generations."""
        return list(self.store.files(CloudPath(name), "", versions=True))

    def remove(self, name: str, files: list[CloudFile]) -> None:
        """Remove a bucket and these files. Raises PermissionDenied if it contains others."""
        for_each(lambda file: self.store.delete(file, forever=True), files)
        try:
            with translated_errors(self.api_call(name, f"gs://{name} was not removed", "delete")):
                self.store.client.bucket(name).delete(**retry_options())
        except Conflict:
            text = f"gs://{name} is not empty, so it was not removed."
            raise PermissionDenied(text, f"python -m iam bucket remove {name} --force") from None

    def api_call(self, name: str, consequence: str, verb: str) -> ApiCall:
        """Describe a call on a bucket for error messages."""
        where = f"project {self.project}" if verb == "create" else f"gs://{name}"
        return ApiCall(self.store.session.who, where, consequence, f"storage.buckets.{verb}")


def described(bucket: Any) -> Bucket:
    """A bucket from Google's resource."""
    created = bucket.time_created.strftime("%Y-%m-%dT%H:%M:%SZ") if bucket.time_created else ""
    return Bucket(bucket.name, bucket.location or "", created)
