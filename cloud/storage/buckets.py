"""Methods on buckets: https://cloud.google.com/storage/docs/json_api/v1/buckets

The lab implements versioning, retentionPolicy (unlocked), defaultEventBasedHold and storageClass. It stores and
returns labels, location, lifecycle, CORS, website and logging. It refuses every other field by name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from cloud.google_errors import ApiError
from cloud.identity.policies import BucketPolicies, string_list
from cloud.json_body import dictionary
from cloud.storage.conditions import read_conditions
from cloud.storage.documents import CLASSES, etag, merged, time_of
from cloud.storage.listing import PAGE, decode_token, encode_token, projection
from cloud.storage.request import StorageRequest, StorageResponse, unsupported
from cloud.storage.service import Service
from cloud.storage.store.index import BucketRecord
from iam.errors import MalformedResource
from iam.policy import resource as resources

OUTPUT = frozenset(
    {
        "kind",
        "id",
        "selfLink",
        "name",
        "projectNumber",
        "metageneration",
        "timeCreated",
        "updated",
        "etag",
        "locationType",
        "owner",
        "generation",
        "satisfiesPZS",
        "satisfiesPZI",
        "hardDeleteTime",
        "softDeleteTime",
    }
)
CENTURY = 3_155_760_000  # seconds; the longest retention period
LABEL = re.compile(r"[a-z\d_-]{0,63}")
KINDS = {
    **dict.fromkeys(("US", "EU", "ASIA"), "multi-region"),
    **dict.fromkeys(("NAM4", "EUR4", "ASIA1"), "dual-region"),
}
# What a bucket with uniform access has anyway; gcsfs always requests these.
PREDEFINED = {
    "predefinedAcl": ("projectPrivate",),
    "predefinedDefaultObjectAcl": ("projectPrivate", "bucketOwnerFullControl", "bucketOwnerRead"),
}
PREVENTION = ("inherited", "unspecified", "enforced")


async def list_buckets(service: Service, call: StorageRequest) -> StorageResponse:
    """List a project's buckets."""
    project = project_of(service, call)
    service.access.require_project(call.principal, "storage.buckets.list", project)
    projection(call)
    limit = min(call.number("maxResults") or PAGE, PAGE)
    start = decode_token(call.query["pageToken"])[0] if call.query.get("pageToken") else ""
    prefix = call.query.get("prefix", "")
    lab_state = service.access.lab_state
    names = sorted(name for name, holder in lab_state.buckets.items() if holder.project == project)
    names = [name for name in names if name.startswith(prefix) and name >= start]
    document: dict[str, Any] = {"kind": "storage#buckets"}
    if names[:limit]:
        document["items"] = [bucket_resource(service, service.bucket(name), call) for name in names[:limit]]
    if names[limit:]:
        document["nextPageToken"] = encode_token(names[limit], 0)
    return StorageResponse(body=document)


async def insert_bucket(service: Service, call: StorageRequest) -> StorageResponse:
    """Create a bucket. Raises ApiError: 400 for an invalid name or field, 409 if the name is taken."""
    project = project_of(service, call)
    service.access.require_project(call.principal, "storage.buckets.create", project)
    projection(call)
    for parameter, allowed in PREDEFINED.items():
        if call.query.get(parameter, allowed[0]) not in allowed:
            raise unsupported(f"{parameter}={call.query[parameter]}")
    if call.flag("enableObjectRetention"):
        raise unsupported("enableObjectRetention")
    given = await call.json()
    name = given.get("name")
    try:
        if not isinstance(name, str) or "/" in name:
            raise MalformedResource("it is not a bucket name")
        if wrong := resources.wrong_new_bucket(name):
            raise MalformedResource(wrong)
    except MalformedResource as fault:
        raise ApiError(400, "invalid", f"Invalid bucket name: {str(name)[:100]!r}: {fault.message}") from None
    held = service.access.lab_state.buckets.get(name)
    if held:
        mine = "Your previous request to create the named bucket succeeded and you already own it."
        other = "The requested bucket name is not available."
        raise ApiError(409, "conflict", mine if held.project == project else other)
    if name in service.index.projects():  # of a project that no longer exists in this lab
        raise ApiError(409, "conflict", "The requested bucket name is not available.")
    document = merge_bucket(given, {})
    made = service.index.put_bucket(name, project, document)
    try:
        service.access.lab_state.add_bucket(name, project, added=True)
        set_public_access_prevention(service, call, name, given)
        service.access.lab_state.save()
    except BaseException:
        service.access.lab_state.buckets.pop(name, None)
        service.index.delete_bucket(name)
        raise
    return StorageResponse(body=bucket_resource(service, made, call))


async def get_bucket(service: Service, call: StorageRequest) -> StorageResponse:
    """Get a bucket."""
    found = service.bucket(call.names["bucket"])
    projection(call)
    service.access.require_bucket(call.principal, "storage.buckets.get", found.name)
    read_conditions(call).require(0, found.metageneration, reading=True)
    return StorageResponse(body=bucket_resource(service, found, call))


async def change_bucket(service: Service, call: StorageRequest) -> StorageResponse:
    """Change a bucket: PATCH updates the given fields, PUT replaces all fields."""
    conditions = read_conditions(call)
    projection(call)
    name = service.bucket(call.names["bucket"]).name
    for permission in ("storage.buckets.get", "storage.buckets.update"):
        service.access.require_bucket(call.principal, permission, name)
    given = await call.json()
    found = service.bucket(name)
    service.access.require_bucket(call.principal, "storage.buckets.update", name)
    conditions.require(0, found.metageneration)
    fixed = {key: value for key, value in found.document.items() if key == "location"}
    document = merge_bucket(given, found.document if call.method == "PATCH" else fixed)
    if document.get("location", "US") != found.document.get("location", "US"):
        raise ApiError(400, "invalid", "A bucket's location cannot be changed.")
    set_public_access_prevention(service, call, name, given)
    made = service.index.put_bucket(name, found.project, document)
    return StorageResponse(body=bucket_resource(service, made, call))


def merge_bucket(given: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """A bucket's fields: those in `kept`, updated with `given`. Raises ApiError (400) like `bucket_fields`."""
    change = bucket_fields(given)
    document = merged(kept, change, MAPS)
    if not _labels(document.get("labels", {})):  # the merged labels may be too many
        raise unsupported("more than 64 labels on a bucket")
    if change.get("retentionPolicy"):
        document["retentionPolicy"]["effectiveTime"] = time_of(time.time())
    return document


def set_public_access_prevention(
    service: Service, call: StorageRequest, bucket: str, given: Mapping[str, Any]
) -> None:
    """Set public access prevention. It is part of the bucket's policy, so it requires the permission to set that."""
    prevention = dictionary(given.get("iamConfiguration")).get("publicAccessPrevention")
    private = prevention == "enforced"
    if prevention is not None and service.access.lab_state.buckets[bucket].private != private:
        service.access.require_bucket(call.principal, "storage.buckets.setIamPolicy", bucket)
        service.access.lab_state.set_private(bucket, private)


async def delete_bucket(service: Service, call: StorageRequest) -> StorageResponse:
    """Delete a bucket. Raises ApiError (409) if it is not empty."""
    found = service.bucket(call.names["bucket"])
    service.access.require_bucket(call.principal, "storage.buckets.delete", found.name)
    read_conditions(call).require(0, found.metageneration)
    if not service.index.is_empty(found.name):
        raise ApiError(409, "conflict", "The bucket you tried to delete is not empty.")
    lab_state = service.access.lab_state
    holder = lab_state.buckets.pop(found.name)
    try:
        lab_state.save()
    except BaseException:
        lab_state.buckets[found.name] = holder
        raise
    service.index.delete_bucket(found.name)
    return StorageResponse(204)


async def layout(service: Service, call: StorageRequest) -> StorageResponse:
    """The bucket's storage layout. All of the lab's buckets are flat."""
    found = service.bucket(call.names["bucket"])
    prefix = call.query.get("prefix", "")
    resource = resources.bucket(found.name)
    service.access.require(call.principal, "storage.objects.list", resource, prefix)
    document = bucket_resource(service, found, call)
    flat = {
        "kind": "storage#storageLayout",
        "bucket": found.name,
        "hierarchicalNamespace": {"enabled": False},
    }
    return StorageResponse(body=flat | {name: document[name] for name in ("location", "locationType")})


async def get_policy(service: Service, call: StorageRequest) -> StorageResponse:
    """Get a bucket's IAM policy."""
    bucket = service.bucket(call.names["bucket"]).name
    call.number("optionsRequestedPolicyVersion")
    return StorageResponse(body=BucketPolicies(service.access).get(call.principal, bucket))


async def set_policy(service: Service, call: StorageRequest) -> StorageResponse:
    """Replace a bucket's IAM policy."""
    bucket = service.bucket(call.names["bucket"]).name
    service.access.require_bucket(call.principal, "storage.buckets.setIamPolicy", bucket)
    body = await call.json()
    service.bucket(bucket)
    return StorageResponse(body=BucketPolicies(service.access).set(call.principal, bucket, body))


async def test_permissions(service: Service, call: StorageRequest) -> StorageResponse:
    """Returns which of the given permissions the caller has on a bucket."""
    bucket = service.bucket(call.names["bucket"]).name
    permissions = string_list("permissions", {"permissions": list(call.repeated.get("permissions", ()))})
    return StorageResponse(body=BucketPolicies(service.access).test(call.principal, bucket, permissions))


async def no_acls(service: Service, call: StorageRequest) -> StorageResponse:
    """Refuse the ACL methods, as Google does for a bucket with uniform access."""
    service.bucket(call.names["bucket"])
    verb = "get" if call.method == "GET" else "update"
    raise ApiError(
        400,
        "invalid",
        f"Cannot {verb} legacy ACL for a bucket that has uniform bucket-level access. Read more at "
        "https://cloud.google.com/storage/docs/uniform-bucket-level-access",
    )


def project_of(service: Service, call: StorageRequest) -> str:
    """The project id of the query. Raises ApiError: 400 if it is missing, Google's 404 if it is unknown."""
    name = call.query.get("project", "")
    if not name:
        raise ApiError(400, "required", "Required parameter: project")
    project = service.access.lab_state.project_named(name)
    if not project:
        raise ApiError(404, "notFound", f"The requested project was not found: {name[:100]}.")
    return project


def bucket_resource(service: Service, found: BucketRecord, call: StorageRequest) -> dict[str, Any]:
    """A bucket as the API returns it."""
    lab_state = service.access.lab_state
    document = {"location": "US", "storageClass": "STANDARD", **found.document}
    if document["location"] in KINDS:
        document["rpo"] = "DEFAULT"
    if retention := document.get("retentionPolicy"):
        document["retentionPolicy"] = {"isLocked": False} | retention
    return {
        "kind": "storage#bucket",
        "id": found.name,
        "selfLink": f"{call.base}/storage/v1/b/{found.name}",
        "name": found.name,
        "projectNumber": str(lab_state.number(lab_state.buckets[found.name].project)),
        "metageneration": str(found.metageneration),
        "etag": etag(0, found.metageneration),
        "timeCreated": time_of(found.created),
        "updated": time_of(found.updated),
        "locationType": KINDS.get(document["location"], "region"),
        **document,
        "iamConfiguration": {
            "bucketPolicyOnly": {"enabled": True},
            "uniformBucketLevelAccess": {"enabled": True},
            "publicAccessPrevention": "enforced" if lab_state.buckets[found.name].private else "inherited",
        },
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
    }


def bucket_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """A bucket's client-set fields. Raises ApiError (400), naming it, for an unsupported field or value."""
    if unknown := sorted(set(given) - set(CHECKS) - OUTPUT):
        raise unsupported(f"a bucket's {', '.join(unknown)}")
    for name, value in given.items():
        if value is not None and name in CHECKS and not CHECKS[name](value):
            raise unsupported(f"this value of a bucket's {name}")
    fields = {name: value for name, value in given.items() if name in CHECKS and name not in FIXED}
    if isinstance(fields.get("location"), str):
        fields["location"] = fields["location"].upper()
    if isinstance(fields.get("retentionPolicy"), dict):
        fields["retentionPolicy"] = {"retentionPeriod": str(fields["retentionPolicy"]["retentionPeriod"])}
    return fields


def _uniform(value: Any) -> bool:
    """Uniform access can't be disabled."""
    flags = [
        dictionary(value.get(name)).get("enabled", True)
        for name in ("uniformBucketLevelAccess", "bucketPolicyOnly")
    ]
    return flags == [True, True] and value.get("publicAccessPrevention", "inherited") in PREVENTION


def _labels(value: Any) -> bool:
    pairs = value.items()
    return len(value) <= 64 and all(
        LABEL.fullmatch(k) and (v is None or (isinstance(v, str) and LABEL.fullmatch(v))) for k, v in pairs
    )


def _retention(value: Any) -> bool:
    period = str(value.get("retentionPeriod", ""))
    return (
        bool(re.fullmatch("[1-9][0-9]{0,9}", period)) and int(period) <= CENTURY and not value.get("isLocked")
    )


def _rules(value: Any) -> bool:
    rules = value.get("rule", [])
    return isinstance(rules, list) and all(
        isinstance(rule, dict)
        and isinstance(rule.get("action"), dict)
        and isinstance(rule.get("condition"), dict)
        for rule in rules
    )


def _of(check: Callable[[dict[str, Any]], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and check(value)


CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "autoclass": _of(lambda value: value.get("enabled") in (None, False)),
    "billing": _of(lambda value: value.get("requesterPays") in (None, False)),
    "cors": lambda value: isinstance(value, list),
    "defaultEventBasedHold": lambda value: isinstance(value, bool),
    "hierarchicalNamespace": _of(lambda value: value.get("enabled") in (None, False)),
    "iamConfiguration": _of(_uniform),
    "labels": _of(_labels),
    "lifecycle": _of(_rules),
    "location": lambda value: isinstance(value, str) and bool(re.fullmatch("[A-Za-z0-9-]{2,40}", value)),
    "logging": _of(lambda value: True),
    "retentionPolicy": _of(_retention),
    "rpo": lambda value: value == "DEFAULT",
    "softDeletePolicy": _of(lambda value: str(value.get("retentionDurationSeconds", "0")) == "0"),
    "storageClass": lambda value: value in CLASSES,
    "versioning": _of(lambda value: isinstance(value.get("enabled", False), bool)),
    "website": _of(lambda value: True),
}
MAPS = frozenset({"labels"})
# The same for every bucket, so not stored.
FIXED = frozenset(
    {"autoclass", "billing", "hierarchicalNamespace", "iamConfiguration", "rpo", "softDeletePolicy"}
)
