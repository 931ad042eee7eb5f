"""Lists, creates, changes and deletes buckets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.google_errors import ApiError
from cloud.json_body import dictionary
from cloud.storage.buckets.fields import merge_bucket
from cloud.storage.buckets.resource import bucket_resource
from cloud.storage.conditions import read_conditions
from cloud.storage.listing import PAGE, decode_token, encode_token, projection
from cloud.storage.request import StorageRequest, StorageResponse, unsupported
from cloud.storage.service import Service
from iam.errors import MalformedResource
from iam.policy import resource as resources

# These match a bucket with uniform access anyway, and gcsfs always requests them.
PREDEFINED = {
    "predefinedAcl": ("projectPrivate",),
    "predefinedDefaultObjectAcl": ("projectPrivate", "bucketOwnerFullControl", "bucketOwnerRead"),
}


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
    if name in service.index.projects():  # it belongs to a project that no longer exists in this lab
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


def set_public_access_prevention(
    service: Service, call: StorageRequest, bucket: str, given: Mapping[str, Any]
) -> None:
    """Set public access prevention. This changes the bucket's policy, so it requires the permission to set it."""
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


def project_of(service: Service, call: StorageRequest) -> str:
    """The project ID in the query. Raises ApiError: 400 if it is missing, Google's 404 if it is unknown."""
    name = call.query.get("project", "")
    if not name:
        raise ApiError(400, "required", "Required parameter: project")
    project = service.access.lab_state.project_named(name)
    if not project:
        raise ApiError(404, "notFound", f"The requested project was not found: {name[:100]}.")
    return project
