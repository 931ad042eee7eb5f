"""Resource names of the API: projects/PROJECT/locations/REGION/persistentResources/ID[/operations/NUMBER].

An operation also has the short name projects/PROJECT/locations/REGION/operations/NUMBER, as in the API's HTTP rules.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from cloud.controlplane.errors import RpcError, not_found
from iam.policy.resource import Resource

ID = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # of a persistent resource
_LOCATION = r"projects/(?P<project>[^/]+)/locations/(?P<region>[a-z0-9-]+)"
_CLUSTER = rf"{_LOCATION}/persistentResources/(?P<id>[^/]+)"
_OPERATION = r"/operations/(?P<operation>[^/]+)"
LOCATION, CLUSTER = (re.compile(_LOCATION),), (re.compile(_CLUSTER),)
OPERATION = (re.compile(_CLUSTER + _OPERATION), re.compile(_LOCATION + _OPERATION))
Kind = tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A parsed resource name. `id` and `operation` are empty if the name has none."""

    text: str
    project: str
    region: str
    id: str = ""
    operation: str = ""

    def resource(self, project_id: str) -> Resource:
        """The resource to check permissions on, in the project with this ID."""
        tail = self.text.partition("/locations/")[2]
        service = "aiplatform.googleapis.com"
        return Resource(f"projects/{project_id}/locations/{tail}", f"{service}/PersistentResource", service)


def parse(text: str, *kinds: Kind) -> Name:
    """Parse a name of one of these kinds: LOCATION, CLUSTER or OPERATION. Raises RpcError for any other name."""
    for pattern in (one for kind in kinds for one in kind):
        if found := pattern.fullmatch(text):
            return Name(text, **found.groupdict())
    if kinds == (LOCATION,):
        raise RpcError("INVALID_ARGUMENT", f"Invalid resource name: '{text}'.")
    raise not_found(text)


def short_hash(name: str) -> str:
    """A short identifier for a persistent resource; its ID alone is unique only within a project and region."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def head_host(name: str) -> str:
    """A cluster head's host name on the cluster's network."""
    return f"ray-{short_hash(name)}"
