"""Methods on objects: https://cloud.google.com/storage/docs/json_api/v1/objects"""

from __future__ import annotations

import time
from typing import Any

from cloud.google_errors import ApiError
from cloud.json_body import dictionary
from cloud.storage.conditions import read_conditions, source_conditions
from cloud.storage.documents import HOLDS, RELEASED, instant, is_time, object_document
from cloud.storage.listing import page, projection, read_list
from cloud.storage.media import download
from cloud.storage.request import StorageRequest, StorageResponse, count, unsupported
from cloud.storage.service import Service
from cloud.storage.store.content import concatenate, new_blob
from cloud.storage.store.records import ObjectRecord
from iam.policy import resource as resources

MAX_SOURCES = 32  # per compose
KEPT = ("storageClass", "customTime", RELEASED)  # fields that a PUT does not clear


async def list_objects(service: Service, call: StorageRequest) -> StorageResponse:
    """List a bucket's objects."""
    bucket = call.names["bucket"]
    service.bucket(bucket)
    wanted = read_list(call)
    service.access.require(call.principal, "storage.objects.list", resources.bucket(bucket), wanted.prefix)
    found = page(service.index, bucket, wanted)
    document: dict[str, Any] = {"kind": "storage#objects"}
    if found.next:
        document["nextPageToken"] = found.next
    if found.prefixes:
        document["prefixes"] = found.prefixes
    if found.items:
        document["items"] = [service.resource(one, call) for one in found.items]
    return StorageResponse(body=document)


async def get_object(service: Service, call: StorageRequest) -> StorageResponse:
    """Get an object's metadata, or download its content."""
    bucket, name = call.names["bucket"], call.names["object"]
    generation, conditions = call.number("generation"), read_conditions(call)
    projection(call)
    service.require(call, "storage.objects.get", bucket, name)
    found = service.found(bucket, name, generation)
    conditions.require(found.generation, found.metageneration, reading=True)
    if call.media:
        reply = download(call, found, service.path(found.content.blob))
        service.moved("storage.objects.get", bucket, name, max(reply.length, 0) or found.content.size)
        return reply
    return StorageResponse(body=service.resource(found, call))


async def change_object(service: Service, call: StorageRequest) -> StorageResponse:
    """Change an object's metadata: PATCH updates the given fields, PUT replaces all fields."""
    bucket, name = call.names["bucket"], call.names["object"]
    generation, conditions = call.number("generation"), read_conditions(call)
    projection(call)
    for permission in ("storage.objects.get", "storage.objects.update"):
        service.require(call, permission, bucket, name)
    given = await call.json()
    # Check again, because policies may have changed while the body was being read.
    service.require(call, "storage.objects.update", bucket, name)
    found = service.found(bucket, name, generation)
    conditions.require(found.generation, found.metageneration)
    if "storageClass" in given and given["storageClass"] != found.document["storageClass"]:
        raise ApiError(400, "invalid", "To change an object's storage class, rewrite the object.")
    if given.get("customTime", found.document.get("customTime", "")) != found.document.get("customTime", ""):
        require_later(given["customTime"], found.document.get("customTime", ""))
    fixed = {name: value for name, value in found.document.items() if name in KEPT}
    document = object_document(given, found.document if call.method == "PATCH" else fixed)
    if found.document.get("eventBasedHold") and not document.get("eventBasedHold"):
        document[RELEASED] = time.time()
    return StorageResponse(body=service.resource(service.index.update(found, document), call))


def require_later(wanted: Any, known: str) -> None:
    """Raise ApiError (400) for a customTime that is earlier than the current one or removed, as Google does."""
    if known and not (isinstance(wanted, str) and is_time(wanted) and instant(wanted) >= instant(known)):
        raise ApiError(400, "invalid", "An object's customTime can only be set to a later time.")


async def delete_object(service: Service, call: StorageRequest) -> StorageResponse:
    """Delete a generation or, without one, make the live object noncurrent if the bucket is versioned."""
    bucket, name = call.names["bucket"], call.names["object"]
    generation, conditions = call.number("generation"), read_conditions(call)
    service.require(call, "storage.objects.delete", bucket, name)
    found = service.found(bucket, name, generation)
    conditions.require(found.generation, found.metageneration)
    service.free(found)
    service.index.delete(found, forever=generation is not None)
    return StorageResponse(204)


async def compose(service: Service, call: StorageRequest) -> StorageResponse:
    """Concatenate up to 32 objects into one. Raises ApiError (400) for an invalid request."""
    bucket, name = call.names["bucket"], call.names["object"]
    conditions = read_conditions(call)
    service.require(call, "storage.objects.create", bucket, name)
    check = service.replaceable(call, bucket, name, conditions)
    body = await call.json()
    if unknown := set(body) - {"kind", "destination", "sourceObjects", "deleteSourceObjects"}:
        raise unsupported(f"{', '.join(sorted(unknown))} in compose")
    if body.get("deleteSourceObjects"):
        raise unsupported("deleteSourceObjects in compose")
    sources = body.get("sourceObjects")
    if not isinstance(sources, list) or not 1 <= len(sources) <= MAX_SOURCES:
        raise ApiError(400, "required", f"Compose requires 1 to {MAX_SOURCES} source objects.")
    document = object_document(dictionary(body.get("destination")))
    parts = [compose_source(service, call, bucket, dictionary(source)) for source in sources]
    check(service.index.object(bucket, name))
    content = await concatenate(service.path(new_blob()), [service.path(one.content.blob) for one in parts])
    components = sum(one.components or 1 for one in parts)
    made = service.keep(bucket, name, content, document, check, components)
    return StorageResponse(body=service.resource(made, call))


def compose_source(
    service: Service, call: StorageRequest, bucket: str, source: dict[str, Any]
) -> ObjectRecord:
    """One source in a compose request. Raises ApiError (Google's 403, 404 or 412) if it can't be used."""
    if unknown := set(source) - {"name", "generation", "objectPreconditions"}:
        raise unsupported(f"{', '.join(sorted(unknown))} in sourceObjects")
    name, wanted = source.get("name"), source_conditions(dictionary(source.get("objectPreconditions")))
    generation = None if source.get("generation") is None else count("generation", source["generation"])
    if not isinstance(name, str):
        raise ApiError(400, "required", "Each source object in a compose request must have a name.")
    service.require(call, "storage.objects.get", bucket, name)
    found = service.found(bucket, name, generation)
    wanted.require(found.generation, found.metageneration)
    return found


async def rewrite(service: Service, call: StorageRequest) -> StorageResponse:
    """Copy an object. Copies share their content, so a rewrite always finishes in one call."""
    made = await copy_object(service, call)
    size = str(made.content.size)
    done = {"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size, "done": True}
    return StorageResponse(body=done | {"resource": service.resource(made, call)})


async def copy(service: Service, call: StorageRequest) -> StorageResponse:
    """Copy an object."""
    return StorageResponse(body=service.resource(await copy_object(service, call), call))


async def copy_object(service: Service, call: StorageRequest) -> ObjectRecord:
    """Copy an object with the metadata from the body or, without a body, from the source."""
    bucket, name = call.names["bucket"], call.names["object"]
    to_bucket, to_name = call.names["to_bucket"], call.names["to_object"]
    conditions, of_source = read_conditions(call), read_conditions(call, source=True)
    generation = call.number("sourceGeneration")
    projection(call)
    call.number("maxBytesRewrittenPerCall")
    if call.query.get("rewriteToken"):
        raise ApiError(
            400, "invalid", "Invalid rewriteToken: the lab finishes every rewrite in its first call."
        )
    service.require(call, "storage.objects.get", bucket, name)
    service.require(call, "storage.objects.create", to_bucket, to_name)
    check = service.replaceable(call, to_bucket, to_name, conditions)
    body = await call.json()
    service.require(call, "storage.objects.get", bucket, name)
    found = service.found(bucket, name, generation)
    of_source.require(found.generation, found.metageneration)
    kept = {k: v for k, v in found.document.items() if k not in (*HOLDS, RELEASED, "storageClass")}
    document = service.defaults(to_bucket) | object_document(body, {} if body else kept)
    return service.index.put(to_bucket, to_name, found.content, document, check, found.components)


async def move(service: Service, call: StorageRequest) -> StorageResponse:
    """Rename an object: https://cloud.google.com/storage/docs/json_api/v1/objects/move

    Requires storage.objects.move, or both storage.objects.get and storage.objects.delete.
    """
    bucket, name, to_name = call.names["bucket"], call.names["object"], call.names["to_object"]
    conditions, of_source = read_conditions(call), read_conditions(call, source=True)
    projection(call)
    pair = ("storage.objects.get", "storage.objects.delete")
    held = all(service.holds(call, permission, bucket, name) for permission in pair)
    for permission in pair if held else ("storage.objects.move",):
        service.require(call, permission, bucket, name)
    service.require(call, "storage.objects.create", bucket, to_name)
    found = service.found(bucket, name, None)
    of_source.require(found.generation, found.metageneration)
    if to_name == name:
        raise ApiError(400, "invalid", "An object cannot be moved to its own name.")
    service.free(found)
    made = service.index.move(found, to_name, service.replaceable(call, bucket, to_name, conditions))
    return StorageResponse(body=service.resource(made, call))
