"""The Cloud Storage API methods that the lab supports: paths, parameters and handlers.

https://cloud.google.com/storage/docs/json_api/v1; for the permissions that each method requires:
https://cloud.google.com/storage/docs/access-control/iam-json
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cloud.google_errors import ApiError
from cloud.storage import objects
from cloud.storage.buckets import buckets, policies
from cloud.storage.conditions import METAGENERATION, NAMES, SOURCE_NAMES
from cloud.storage.listing import PARAMETERS
from cloud.storage.request import StorageRequest, StorageResponse, decoded
from cloud.storage.service import Service
from cloud.storage.uploads import resumable, uploads

API = "/storage/v1"
BUCKET = r"/b/(?P<bucket>[^/]+)"
OBJECT = r"/o/(?P<object>[^/]+)"
TARGET = r"/b/(?P<to_bucket>[^/]+)/o/(?P<to_object>[^/]+)"
Handler = Callable[[Service, StorageRequest], Awaitable[StorageResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `known`: parameters other than those common to all methods; `several`: repeatable ones."""

    methods: str
    path: re.Pattern[str]
    handler: Handler
    known: frozenset[str] = frozenset()
    several: frozenset[str] = frozenset()


def _route(methods: str, path: str, handler: Handler, known: str = "", several: str = "") -> Route:
    names = frozenset({"projection", *known.split()})
    return Route(methods, re.compile(path), handler, names, frozenset(several.split()))


CONDITIONS, OF_SOURCE = " ".join(NAMES), " ".join(SOURCE_NAMES)
OF_BUCKET = " ".join(METAGENERATION)
UPLOAD = f"uploadType upload_id name contentEncoding {CONDITIONS}"
ROUTES = (
    _route("GET", rf"{API}/b", buckets.list_buckets, "project prefix maxResults pageToken"),
    _route(
        "POST",
        rf"{API}/b",
        buckets.insert_bucket,
        "project predefinedAcl predefinedDefaultObjectAcl enableObjectRetention",
    ),
    _route("GET", rf"{API}{BUCKET}", buckets.get_bucket, OF_BUCKET),
    _route("PATCH PUT", rf"{API}{BUCKET}", buckets.change_bucket, OF_BUCKET),
    _route("DELETE", rf"{API}{BUCKET}", buckets.delete_bucket, OF_BUCKET),
    _route("GET", rf"{API}{BUCKET}/storageLayout", buckets.layout, "prefix"),
    _route("GET", rf"{API}{BUCKET}/iam", policies.get_policy, "optionsRequestedPolicyVersion"),
    _route("PUT", rf"{API}{BUCKET}/iam", policies.set_policy),
    _route("GET", rf"{API}{BUCKET}/iam/testPermissions", policies.test_permissions, several="permissions"),
    _route(
        "GET POST PUT PATCH DELETE",
        rf"{API}{BUCKET}(?:{OBJECT})?/(?:acl|defaultObjectAcl)(?:/[^/]+)?",
        policies.no_acls,
        "generation",
    ),
    _route("GET", rf"{API}{BUCKET}/o", objects.list_objects, " ".join(PARAMETERS)),
    _route(
        "GET HEAD", rf"(?:/download)?{API}{BUCKET}{OBJECT}", objects.get_object, f"generation {CONDITIONS}"
    ),
    _route("PATCH PUT", rf"{API}{BUCKET}{OBJECT}", objects.change_object, f"generation {CONDITIONS}"),
    _route("DELETE", rf"{API}{BUCKET}{OBJECT}", objects.delete_object, f"generation {CONDITIONS}"),
    _route("POST", rf"{API}{BUCKET}{OBJECT}/compose", objects.compose, " ".join(NAMES)),
    _route(
        "POST",
        rf"{API}{BUCKET}{OBJECT}/rewriteTo{TARGET}",
        objects.rewrite,
        f"sourceGeneration rewriteToken maxBytesRewrittenPerCall {CONDITIONS} {OF_SOURCE}",
    ),
    _route(
        "POST",
        rf"{API}{BUCKET}{OBJECT}/copyTo{TARGET}",
        objects.copy,
        f"sourceGeneration {CONDITIONS} {OF_SOURCE}",
    ),
    _route(
        "POST",
        rf"{API}{BUCKET}{OBJECT}/moveTo/o/(?P<to_object>[^/]+)",
        objects.move,
        f"{CONDITIONS} {OF_SOURCE}",
    ),
    _route("POST", rf"(?:/resumable)?/upload{API}{BUCKET}/o", uploads.insert, UPLOAD),
    _route("PUT", rf"(?:/resumable)?/upload{API}{BUCKET}/o", resumable.resume, UPLOAD),
    _route("DELETE", rf"(?:/resumable)?/upload{API}{BUCKET}/o", resumable.cancel, UPLOAD),
)
# Parts of the API that the lab does not support.
ABSENT = re.compile(
    rf"{API}(?:{BUCKET}(?:{OBJECT})?/(?P<kind>notificationConfigs|folders|managedFolders|anywhereCaches|"
    r"lockRetentionPolicy|restore|relocate|operations|watch|bulkRestore|ipFilter)(?:/.*)?"
    r"|/projects/[^/]+/(?P<of_project>hmacKeys|serviceAccount)(?:/.*)?)"
)


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Find a call's route and decode the names in its path.

    Raises ApiError: 404 for an unknown path, 405 for a wrong method, 501 for an unsupported part of the API.
    """
    allowed = []
    for route in ROUTES:
        if found := route.path.fullmatch(path):
            if method in route.methods.split():
                return route, {name: decoded(value) for name, value in found.groupdict().items() if value}
            allowed.append(route.methods)
    if allowed:
        raise ApiError(
            405, "methodNotAllowed", f"{method[:20]} is not allowed here; allowed: {' '.join(allowed)}."
        )
    if found := ABSENT.fullmatch(path):
        kind = found["kind"] or found["of_project"]
        raise ApiError(501, "notImplemented", f"The lab's storage does not support {kind}.")
    text = f"The lab's storage does not support {path[:200]}: it implements the JSON API, not the XML API."
    raise ApiError(404, "notFound", text)
