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
from cloud.storage.store.content import joined, new_blob
from cloud.storage.store.index import ObjectRecord
from iam.policy import resource as resources

SOURCES = 32  # of one compose
KEPT = ("storageClass", "customTime", RELEASED)  # by a PUT


async def list_objects(service: Service, call: StorageRequest) -> StorageResponse:
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
    bucket, name = call.names["bucket"], call.names["object"]
    generation, conditions = call.number("generation"), read_conditions(call)
    projection(call)
    service.require(call, "storage.objects.get", bucket, name)
    found = service.found(bucket, name, generation)
    conditions.require(found.generation, found.metageneration, reading=True)
    if call.media:
        return download(call, found, service.path(found.content.blob))
    return StorageResponse(body=service.resource(found, call))


async def change_object(service: Service, call: StorageRequest) -> StorageResponse:
    """PATCH changes the fields that it names, PUT replaces them all."""
    bucket, name = call.names["bucket"], call.names["object"]
    generation, conditions = call.number("generation"), read_conditions(call)
    projection(call)
    for permission in ("storage.objects.get", "storage.objects.update"):
        service.require(call, permission, bucket, name)
    given = await call.json()
    service.require(call, "storage.objects.update", bucket, name)  # reading the body took time
    found = service.found(bucket, name, generation)
    conditions.require(found.generation, found.metageneration)
    if "storageClass" in given and given["storageClass"] != found.document["storageClass"]:
        raise ApiError(400, "invalid", "An object's storage class is changed by rewriting the object.")
    if given.get("customTime", found.document.get("customTime", "")) != found.document.get("customTime", ""):
        later(given["customTime"], found.document.get("customTime", ""))
    fixed = {name: value for name, value in found.document.items() if name in KEPT}
    document = object_document(given, found.document if call.method == "PATCH" else fixed)
    if found.document.get("eventBasedHold") and not document.get("eventBasedHold"):
        document[RELEASED] = time.time()
    return StorageResponse(body=service.resource(service.index.update(found, document), call))


def later(wanted: Any, known: str) -> None:
    """Refusal (400) for a customTime that goes back or away, which Google does not allow either."""
    if known and not (isinstance(wanted, str) and is_time(wanted) and instant(wanted) >= instant(known)):
        raise ApiError(400, "invalid", "An object's customTime can only be set to a later time.")


async def delete_object(service: Service, call: StorageRequest) -> StorageResponse:
    bucket, name = call.names["bucket"], call.names["object"]
    generation, conditions = call.number("generation"), read_conditions(call)
    service.require(call, "storage.objects.delete", bucket, name)
    found = service.found(bucket, name, generation)
    conditions.require(found.generation, found.metageneration)
    service.free(found)
    service.index.delete(found, forever=generation is not None)
    return StorageResponse(204)


async def compose(service: Service, call: StorageRequest) -> StorageResponse:
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
    if not isinstance(sources, list) or not 1 <= len(sources) <= SOURCES:
        raise ApiError(400, "required", f"A compose takes 1 to {SOURCES} source objects.")
    document = object_document(dictionary(body.get("destination")))
    parts = [composed(service, call, bucket, dictionary(source)) for source in sources]
    check(service.index.object(bucket, name))
    content = await joined(service.path(new_blob()), [service.path(one.content.blob) for one in parts])
    components = sum(one.components or 1 for one in parts)
    made = service.keep(bucket, name, content, document, check, components)
    return StorageResponse(body=service.resource(made, call))


def composed(service: Service, call: StorageRequest, bucket: str, source: dict[str, Any]) -> ObjectRecord:
    """One source of a compose. Google's 403, 404 or 412 where it cannot be used."""
    if unknown := set(source) - {"name", "generation", "objectPreconditions"}:
        raise unsupported(f"{', '.join(sorted(unknown))} in sourceObjects")
    name, wanted = source.get("name"), source_conditions(dictionary(source.get("objectPreconditions")))
    generation = None if source.get("generation") is None else count("generation", source["generation"])
    if not isinstance(name, str):
        raise ApiError(400, "required", "Each source object of a compose needs a name.")
    service.require(call, "storage.objects.get", bucket, name)
    found = service.found(bucket, name, generation)
    wanted.require(found.generation, found.metageneration)
    return found


async def rewrite(service: Service, call: StorageRequest) -> StorageResponse:
    """The copy shares its content, so a rewrite is done in its first call."""
    made = await copied(service, call)
    size = str(made.content.size)
    told = {"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size, "done": True}
    return StorageResponse(body=told | {"resource": service.resource(made, call)})


async def copy(service: Service, call: StorageRequest) -> StorageResponse:
    return StorageResponse(body=service.resource(await copied(service, call), call))


async def copied(service: Service, call: StorageRequest) -> ObjectRecord:
    bucket, name = call.names["bucket"], call.names["object"]
    to_bucket, to_name = call.names["to_bucket"], call.names["to_object"]
    conditions, of_source = read_conditions(call), read_conditions(call, source=True)
    generation = call.number("sourceGeneration")
    projection(call)
    call.number("maxBytesRewrittenPerCall")
    if call.query.get("rewriteToken"):
        raise ApiError(
            400, "invalid", "Invalid rewriteToken: the lab finishes each rewrite in its first call."
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
    """https://cloud.google.com/storage/docs/json_api/v1/objects/move

    It needs storage.objects.move, or both storage.objects.get and storage.objects.delete.
    """
    bucket, name, to_name = call.names["bucket"], call.names["object"], call.names["to_object"]
    conditions, of_source = read_conditions(call), read_conditions(call, source=True)
    projection(call)
    if not all(service.may(call, f"storage.objects.{verb}", bucket, name) for verb in ("get", "delete")):
        service.require(call, "storage.objects.move", bucket, name)
    service.require(call, "storage.objects.create", bucket, to_name)
    found = service.found(bucket, name, None)
    of_source.require(found.generation, found.metageneration)
    if to_name == name:
        raise ApiError(400, "invalid", "An object cannot be moved to its own name.")
    service.free(found)
    made = service.index.move(found, to_name, service.replaceable(call, bucket, to_name, conditions))
    return StorageResponse(body=service.resource(made, call))
