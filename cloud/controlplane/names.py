"""Resource names of the API: projects/PROJECT/locations/REGION/persistentResources/ID[/operations/NUMBER]."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from cloud.controlplane.errors import RpcError, not_found
from iam.policy.resource import Resource

ID = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # of a persistent resource
NAME = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<region>[a-z0-9-]+)"
    r"(?:/persistentResources/(?P<id>[^/]+)(?:/operations/(?P<operation>[^/]+))?)?"
)


@dataclass(frozen=True, slots=True)
class Name:
    """A parsed resource name. `id` and `operation` are empty if the name ends before them."""

    text: str
    project: str
    region: str
    id: str
    operation: str

    def resource(self, project_id: str) -> Resource:
        """The resource to check permissions on, in the project with this id."""
        tail = self.text.partition("/locations/")[2]
        service = "aiplatform.googleapis.com"
        return Resource(f"projects/{project_id}/locations/{tail}", f"{service}/PersistentResource", service)


def parse(text: str, depth: int) -> Name:
    """Parse a name of `depth` parts: 2 for a location, 3 for a persistent resource, 4 for an operation.

    Raises RpcError for any other name.
    """
    found = NAME.fullmatch(text)
    parts = text.count("/") // 2 + 1 if found else 0
    if found is None or parts != depth:
        if depth > 2:
            raise not_found(text)
        raise RpcError("INVALID_ARGUMENT", f"Invalid resource name: '{text}'.")
    return Name(text, found["project"], found["region"], found["id"] or "", found["operation"] or "")


def short_hash(name: str) -> str:
    """A short identifier for a persistent resource; its id alone is unique per project and region only."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def head_host(name: str) -> str:
    """The host name of a cluster's head on the cluster's network."""
    return f"ray-{short_hash(name)}"
