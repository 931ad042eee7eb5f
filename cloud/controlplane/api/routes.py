"""The HTTP rules of the API: which method a request calls, and which fields its path sets.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.persistentResources and
/projects.locations.operations. The SDK calls Operations under /ui/ instead of a version
(services/persistent_resource_service/transports/rest.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from cloud.controlplane.errors import RpcError

LOCATION = "projects/[^/:]+/locations/[^/:]+"
CLUSTER = f"{LOCATION}/persistentResources/[^/:]+"
OPERATION = f"(?:{CLUSTER}|{LOCATION})/operations/[^/:]+"
ALL = "*"


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """A rule: `path` has a group for the name, and `field` is the request field that the name sets.

    `body` is the field that the request's body sets: ALL for the whole request, "" for no body.
    """

    verb: str
    path: str
    method: str
    field: str
    body: str = ""

    @property
    def versions(self) -> tuple[str, ...]:
        """The possible first segments of its path."""
        return ("v1", "v1beta1", "ui") if self.is_operation else ("v1", "v1beta1")

    @property
    def is_operation(self) -> bool:
        """Whether the method is one of google.longrunning.Operations."""
        return "Operation" in self.method


@dataclass(frozen=True, slots=True)
class Match:
    """A request's route, its API version and the name in its path."""

    route: ApiRoute
    version: str
    name: str


ROUTES = (
    ApiRoute(
        "POST",
        f"({LOCATION})/persistentResources",
        "CreatePersistentResource",
        "parent",
        "persistent_resource",
    ),
    ApiRoute("GET", f"({LOCATION})/persistentResources", "ListPersistentResources", "parent"),
    ApiRoute("GET", f"({CLUSTER})", "GetPersistentResource", "name"),
    ApiRoute(
        "PATCH", f"({CLUSTER})", "UpdatePersistentResource", "persistent_resource.name", "persistent_resource"
    ),
    ApiRoute("POST", f"({CLUSTER}):reboot", "RebootPersistentResource", "name", ALL),
    ApiRoute("DELETE", f"({CLUSTER})", "DeletePersistentResource", "name"),
    ApiRoute("GET", f"({CLUSTER}|{LOCATION})/operations", "ListOperations", "name"),
    ApiRoute("GET", f"({OPERATION})", "GetOperation", "name"),
    ApiRoute("POST", f"({OPERATION}):wait", "WaitOperation", "name", ALL),
    ApiRoute("POST", f"({OPERATION}):cancel", "CancelOperation", "name", ALL),
    ApiRoute("DELETE", f"({OPERATION})", "DeleteOperation", "name"),
)


def match(verb: str, path: str) -> Match:
    """The route of a request; `path` is as received. Raises RpcError (UNIMPLEMENTED) if there is none."""
    _, version, rest = [*path.split("/", 2), "", ""][:3]
    for route in ROUTES:
        found = re.fullmatch(route.path, rest)
        if (
            found
            and verb == route.verb
            and version in (("v1", "v1beta1", "ui") if route.is_operation else ("v1", "v1beta1"))
        ):
            return Match(route, version, unquote(found[1]))
    text = (
        f"The lab's Vertex AI does not support {verb} {path}, only persistentResources and their operations."
    )
    raise RpcError("UNIMPLEMENTED", text)
