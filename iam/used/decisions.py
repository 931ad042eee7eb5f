"""The decisions that the lab's cloud recorded (cloud/decisions), as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iam.policy.resource import ACCOUNT, BUCKET, BUCKET_NAME, PROJECT, Resource
from iam.policy.resource import STORAGE as STORAGE_SERVICE
from raydock.answers import moment, number, rows, text
from raydock.gcp.clouds import LabCloud, http

GATEWAY = "gateway"  # the source of calls from this machine
BUCKETS = "projects/_/buckets/"


@dataclass(frozen=True, slots=True)
class Decided:
    """Equal decisions. `prefix` is what a list was limited to; `size` is in bytes; times are Unix times."""

    principal: str
    permission: str
    resource: str  # Google's full resource name
    granted: bool
    source: str = ""  # the client's address, or GATEWAY
    first: float = 0
    last: float = 0
    count: int = 1
    size: int = 0
    prefix: str | None = None
    client: str = ""  # the client library, for those that the lab tells apart

    @property
    def bucket(self) -> str:
        """The bucket, "" if the resource is not in one."""
        found = BUCKET_NAME.fullmatch(self.resource)
        return found["bucket"] if found else ""

    @property
    def name(self) -> str:
        """The object's name, or the prefix of a list; "" for a whole bucket."""
        found = BUCKET_NAME.fullmatch(self.resource)
        return self.prefix or (found["object"] if found else None) or ""

    @property
    def target(self) -> Resource:
        """The resource on which a role can grant the permission: the bucket of an object."""
        if self.bucket:
            return Resource(BUCKETS + self.bucket, BUCKET, STORAGE_SERVICE)
        if "/serviceAccounts/" in self.resource:
            return Resource(self.resource, ACCOUNT, "iam.googleapis.com")
        return Resource(self.resource, PROJECT, "cloudresourcemanager.googleapis.com")

    @property
    def on_object(self) -> bool:
        """Whether it is about an object, not about its bucket as a whole."""
        return bool(self.bucket) and self.prefix is None and "/objects/" in self.resource


@dataclass(frozen=True, slots=True)
class Record:
    """What the lab recorded in some period. `complete`: whether nothing of it was lost or deleted to make room."""

    decisions: tuple[Decided, ...]
    complete: bool = True


def record_of(reply: Mapping[str, Any]) -> Record:
    """The record in the lab's response."""
    found = tuple(
        Decided(
            principal=text(row.get("principal")),
            permission=text(row.get("permission")),
            resource=text(row.get("resource")),
            granted=row.get("granted") is True,
            source=text(row.get("source")),
            first=moment(row.get("first")),
            last=moment(row.get("last")),
            count=int(number(row.get("count"))),
            size=int(number(row.get("bytes"))),
            client=text(row.get("client")),
            prefix=row["prefix"] if isinstance(row.get("prefix"), str) else None,
        )
        for row in rows(reply.get("decisions"))
    )
    return Record(found, reply.get("complete") is True)


async def read_record(lab: LabCloud, since: float, until: float) -> Record:
    """The decisions between two Unix times. Raises PermissionDenied or Unreachable."""
    async with http(lab) as client:
        return record_of(await lab.ask(client, "GET", f"/lab/decisions?since={since:.3f}&until={until:.3f}"))
