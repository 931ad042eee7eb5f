"""JSON to the messages of the SDK and back: the one module that knows their classes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from google.cloud.resourcemanager_v3.types import projects
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, empty_pb2, json_format
from google.rpc import code_pb2

from cloud.controlplane.resource import resource, stamp
from cloud.controlplane.store import OperationRecord, Store

VERSIONS = ("v1beta1", "v1")
PERSISTENT = {
    "Create": ("create", "CreatePersistentResourceRequest"),
    "Get": ("get", "GetPersistentResourceRequest"),
    "List": ("list", "ListPersistentResourcesRequest"),
    "Update": ("update", "UpdatePersistentResourceRequest"),
    "Reboot": ("reboot", "RebootPersistentResourceRequest"),
    "Delete": ("delete", "DeletePersistentResourceRequest"),
}
OPERATIONS = {
    name: getattr(operations_pb2, f"{name}Request")
    for name in ("GetOperation", "WaitOperation", "ListOperations", "CancelOperation", "DeleteOperation")
}
GetProjectRequest = projects.GetProjectRequest.pb()
PAYLOADS = {"delete": "Delete"} | {
    verb: f"{verb.capitalize()}PersistentResource" for verb in ("create", "update")
}


def kind(version: str, name: str) -> Any:
    """The class of a message of that version of the API."""
    package = importlib.import_module(f"google.cloud.aiplatform_{version}.types")
    return getattr(package, name).pb()


def json_of(message: Any) -> dict[str, Any]:
    """With the fields' own names; what is not set is left out."""
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found | ({"update_mask": ",".join(message.update_mask.paths)} if "update_mask" in found else {})


def filled(message: Any, told: Mapping[str, Any]) -> Any:
    """The message with these fields; those that its version does not have are left out."""
    return json_format.ParseDict(told, message, ignore_unknown_fields=True)


def persistent_resource(version: str, told: Mapping[str, Any]) -> Any:
    return filled(kind(version, "PersistentResource")(), told)


def resource_list(version: str, told: Mapping[str, Any]) -> Any:
    return filled(kind(version, "ListPersistentResourcesResponse")(), told)


def project(told: Mapping[str, Any]) -> Any:
    return filled(projects.Project.pb()(), told)


def operation(found: OperationRecord, store: Store) -> Any:
    """A long-running operation with its metadata, and its response or error once it is done."""
    message = operations_pb2.Operation(name=found.name, done=found.done)
    times = {"create_time": stamp(found.created), "update_time": stamp(found.updated)}
    about: dict[str, Any] = {"generic_metadata": times}
    if found.verb != "delete":
        about["progress_message"] = progress(found, store)
    metadata = kind(found.version, f"{PAYLOADS[found.verb]}OperationMetadata")()
    message.metadata.CopyFrom(packed(filled(metadata, about)))
    if found.done and found.code:
        message.error.code = code_pb2.Code.Value(found.code)
        message.error.message = found.error
    elif found.done:
        done = (
            empty_pb2.Empty() if found.verb == "delete" else persistent_resource(found.version, found.result)
        )
        message.response.CopyFrom(packed(done))
    return message


def progress(found: OperationRecord, store: Store) -> str:
    """What the operation does now."""
    cluster = store.clusters.get(found.cluster)
    return "Done." if found.done or cluster is None else f"The cluster is {resource(cluster)['state']}."


def packed(message: Any) -> Any:
    held = any_pb2.Any()
    held.Pack(message)
    return held
