"""Converts between JSON and the SDK's protobuf messages. Only this module knows their classes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from google.cloud.resourcemanager_v3.types import projects
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, empty_pb2, json_format
from google.rpc import code_pb2, error_details_pb2, status_pb2

from cloud.controlplane.lifecycle.resource import timestamp
from cloud.controlplane.lifecycle.store import OperationRecord, Store

assert error_details_pb2  # registers the types of an error's details
VERSIONS = ("v1beta1", "v1")
GetProjectRequest = projects.GetProjectRequest.pb()
PAYLOADS = {"delete": "Delete"} | {
    verb: f"{verb.capitalize()}PersistentResource" for verb in ("create", "update")
}


def kind(version: str, name: str) -> Any:
    """A message's class in one API version."""
    package = importlib.import_module(f"google.cloud.aiplatform_{version}.types")
    return getattr(package, name).pb()


def json_of(message: Any) -> dict[str, Any]:
    """A message as JSON with the proto's field names, without unset fields. A field mask keeps its paths."""
    if "update_mask" not in message.DESCRIPTOR.fields_by_name:
        return as_dict(message)
    rest = type(message)()
    rest.CopyFrom(message)
    rest.ClearField("update_mask")
    return as_dict(rest) | {"update_mask": ",".join(message.update_mask.paths)}


def as_dict(message: Any) -> dict[str, Any]:
    """A message as JSON with the proto's field names, without unset fields."""
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found


def fill(message: Any, fields: Mapping[str, Any]) -> Any:
    """Set a message's fields from JSON, ignoring fields that its version lacks."""
    return json_format.ParseDict(fields, message, ignore_unknown_fields=True)


def persistent_resource(version: str, fields: Mapping[str, Any]) -> Any:
    """A PersistentResource message."""
    return fill(kind(version, "PersistentResource")(), fields)


def resource_list(version: str, fields: Mapping[str, Any]) -> Any:
    """A ListPersistentResourcesResponse message."""
    return fill(kind(version, "ListPersistentResourcesResponse")(), fields)


def project(fields: Mapping[str, Any]) -> Any:
    """A resource manager Project message."""
    return fill(projects.Project.pb()(), fields)


def operation(found: OperationRecord, store: Store) -> Any:
    """An Operation message with its metadata and, once done, its response or error."""
    message = operations_pb2.Operation(name=found.name, done=found.done)
    times = {"create_time": timestamp(found.created), "update_time": timestamp(found.updated)}
    about: dict[str, Any] = {"generic_metadata": times}
    if found.verb != "delete":
        about["progress_message"] = progress(found, store)
    metadata = kind(found.version, f"{PAYLOADS[found.verb]}OperationMetadata")()
    message.metadata.CopyFrom(pack(fill(metadata, about)))
    if found.done and found.code:
        message.error.code = code_pb2.Code.Value(found.code)
        message.error.message = found.error
    elif found.done:
        done = (
            empty_pb2.Empty() if found.verb == "delete" else persistent_resource(found.version, found.result)
        )
        message.response.CopyFrom(pack(done))
    return message


def progress(found: OperationRecord, store: Store) -> str:
    """The operation's progress message."""
    cluster = store.clusters.get(found.cluster)
    if found.done or cluster is None:
        return "Done."
    images = [f" Pool {pool} runs {local}." for pool, local in cluster.images.items()]
    return "".join([f"The cluster is {cluster.state}.", *images])


def operation_list(found: tuple[Sequence[OperationRecord], str], store: Store) -> Any:
    """A ListOperationsResponse message."""
    shown, token = found
    return operations_pb2.ListOperationsResponse(
        operations=[operation(one, store) for one in shown], next_page_token=token
    )


def status(code: str, message: str, details: Sequence[Mapping[str, Any]]) -> Any:
    """A google.rpc.Status message."""
    fields = {"code": code_pb2.Code.Value(code), "message": message, "details": list(details)}
    return fill(status_pb2.Status(), fields)


def pack(message: Any) -> Any:
    """A message wrapped in google.protobuf.Any."""
    wrapper = any_pb2.Any()
    wrapper.Pack(message)
    return wrapper
