"""What the lab's Vertex AI does with each field and method that Google's SDK has, found out by calling it.

A field is sent with a value that Google's documentation allows. The server then rejects the field by name, returns it,
or drops it. Whether a field that it returns has its effect is shown by other tests, marked `covers`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import json_format

from tests.labcloud import TRAINER, YOU
from tests.labvertex import HOST, PARENT, LabVertex
from tests.vertexfields import SERVICE, Field, fields, methods, mixins

RETURNED, REJECTED, ABSENT = "returned", "rejected", "absent"
IMAGE = "us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest"
CLUSTERS = f"{PARENT}/persistentResources"
MACHINE = "resource_pools.machine_spec"
RAY = "resource_runtime_spec.ray_spec"
ACCOUNT = "resource_runtime_spec.service_account_spec"
AFFINITY = f"{MACHINE}.reservation_affinity"
PEERING = "psc_interface_config.dns_peering_configs"

# Values by field, where the default of the field's kind would not be valid.
SAMPLES: Mapping[str, Any] = {
    "labels": {"team": "a"},
    "network": "projects/123/global/networks/net",
    "encryption_spec.kms_key_name": "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k",
    "psc_interface_config.network_attachment": "projects/123/regions/us-central1/networkAttachments/a",
    "resource_pools.id": "worker-pool1",
    "resource_pools.disk_spec.boot_disk_type": "pd-standard",
    "resource_pools.disk_spec.boot_disk_size_gb": 200,
    f"{MACHINE}.machine_type": "n1-standard-4",
    f"{MACHINE}.accelerator_type": "NVIDIA_TESLA_T4",
    f"{AFFINITY}.reservation_affinity_type": "SPECIFIC_RESERVATION",
    f"{AFFINITY}.key": "compute.googleapis.com/reservation-name",
    f"{AFFINITY}.values": ["projects/p/zones/us-central1-a/reservations/r"],
    "resource_pools.autoscaling_spec.max_replica_count": 3,
    f"{RAY}.image_uri": IMAGE,
    f"{RAY}.resource_pool_images": {"head-node": IMAGE, "worker-pool1": IMAGE},
    f"{RAY}.head_node_resource_pool_id": "head-node",
    f"{ACCOUNT}.service_account": TRAINER.partition(":")[2],
}
# Fields that are valid only together.
TOGETHER = (
    (f"{MACHINE}.accelerator_type", f"{MACHINE}.accelerator_count"),
    (f"{AFFINITY}.reservation_affinity_type", f"{AFFINITY}.key", f"{AFFINITY}.values"),
    (
        "resource_pools.autoscaling_spec.min_replica_count",
        "resource_pools.autoscaling_spec.max_replica_count",
    ),
    (f"{ACCOUNT}.enable_custom_service_account", f"{ACCOUNT}.service_account"),
    (f"{PEERING}.domain", f"{PEERING}.target_project", f"{PEERING}.target_network"),
    (f"{RAY}.nfs_mounts.server", f"{RAY}.nfs_mounts.path", f"{RAY}.nfs_mounts.mount_point"),
)
LISTS = ("resource_pools", PEERING, f"{RAY}.nfs_mounts")  # repeated messages


@dataclass(frozen=True)
class Verdict:
    """What the server does with a field or method, and the message of a rejection."""

    status: str
    said: str = ""


def probe_fields(vertex: LabVertex) -> dict[str, Verdict]:
    """Each field of PersistentResource in v1beta1, the version that vertex_ray uses."""
    known = {one.path: one for one in fields()}
    seen = list(observed(vertex))
    return {
        path: probe_output(vertex, field, seen) if field.output else probe_input(vertex, field, known)
        for path, field in known.items()
    }


def probe_input(vertex: LabVertex, field: Field, known: Mapping[str, Field]) -> Verdict:
    """Create a cluster with the field, and look for it in the error or in the cluster."""
    together = next((group for group in TOGETHER if field.path in group), (field.path,))
    wanted = {path: sample(known[path]) for path in together}
    return created(vertex, field.path, wanted)


def probe_output(vertex: LabVertex, field: Field, seen: list[Any]) -> Verdict:
    """Look for the field in clusters of several states. A caller must not be able to set it."""
    if not any(values(one, field.path) for one in seen):
        assert field.kind != "bool" or created(vertex, field.path, {field.path: True}).status == ABSENT
        return Verdict(ABSENT)
    return Verdict(RETURNED)


def created(vertex: LabVertex, path: str, wanted: Mapping[str, Any]) -> Verdict:
    """The verdict on a creation with these fields. The cluster is deleted."""
    answer = vertex.https("POST", f"/v1beta1/{CLUSTERS}", {"persistentResourceId": "probe"}, spec(wanted))
    if answer.status_code != 200:
        return rejection(path, answer.json()["error"])
    found = get(vertex, "probe")
    delete(vertex, "probe")
    return Verdict(RETURNED if wanted[path] in values(found, path) else ABSENT)


def rejection(path: str, error: Mapping[str, Any]) -> Verdict:
    """A rejection, which must name the field or a message that contains it, below the cluster or the pool."""
    violations = [one for detail in error.get("details", ()) for one in detail.get("fieldViolations", ())]
    for one in violations:
        named = re.sub(r"\[[^\]]*\]", "", one.get("field", "")).removeprefix("persistent_resource.")
        if named and named != "resource_pools" and f"{path}.".startswith(f"{named}."):
            return Verdict(REJECTED, str(one["description"]))
    raise AssertionError(f"{path} is not named: {error}")


def sample(field: Field) -> Any:
    """A valid value of the field."""
    if field.path in SAMPLES:
        return SAMPLES[field.path]
    default: Any = {"string": "a", "int": 1, "bool": True}.get(
        field.kind, field.values[:1] and field.values[0]
    )
    return [default] if field.repeated else default


def spec(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A cluster of a head and a pool of workers with these fields. Fields of a pool are the second pool's."""
    workers: dict[str, Any] = {"id": "worker-pool1", "machine_spec": {"machine_type": "n1-standard-8"}}
    if not any(path.startswith("resource_pools.autoscaling_spec") for path in wanted):
        workers["replica_count"] = 1
    head = {"id": "head-node", "machine_spec": {"machine_type": "n1-standard-8"}, "replica_count": 1}
    found: dict[str, Any] = {
        "resource_pools": [head, workers],
        "resource_runtime_spec": {"ray_spec": {"image_uri": IMAGE}},
    }
    for path, value in wanted.items():
        place(found, path, value)
    return found


def place(document: dict[str, Any], path: str, value: Any) -> None:
    """Set a field, in the last entry of each list on its path."""
    *parents, name = path.split(".")
    for number, parent in enumerate(parents):
        if ".".join(parents[: number + 1]) in LISTS:
            document = document.setdefault(parent, [{}])[-1]
        else:
            document = document.setdefault(parent, {})
    document[name] = value


def values(message: Any, path: str) -> list[Any]:
    """The field's values in a message, in all entries of the lists on its path, without unset ones."""
    found = [message]
    for name in path.split("."):
        found = [child for one in found for child in children(one, name)]
    return found


def children(message: Any, name: str) -> list[Any]:
    one, value = message.DESCRIPTOR.fields_by_name[name], getattr(message, name)
    if one.message_type is not None and one.message_type.GetOptions().map_entry:
        return [dict(value)] if value else []
    if one.is_repeated:
        return list(value) if one.message_type is not None else [list(value)] * bool(value)
    if one.message_type is not None:
        return [value] * message.HasField(name)
    named = one.enum_type.values_by_number[value].name if one.enum_type is not None else value
    return [named] if value else []


def get(vertex: LabVertex, name: str) -> Any:
    """A cluster as a message. The first call waits until it is ready."""
    from google.cloud.aiplatform_v1beta1.types import PersistentResource

    answer = vertex.https("GET", f"/v1beta1/{CLUSTERS}/{name}")
    return json_format.ParseDict(answer.json(), PersistentResource.pb()())


def delete(vertex: LabVertex, name: str) -> None:
    vertex.https("DELETE", f"/v1beta1/{CLUSTERS}/{name}")
    clusters = vertex.plane.clusters
    vertex.run(clusters.changes.wait_for(lambda: f"{CLUSTERS}/{name}" not in clusters.store.clusters, 60))


def observed(vertex: LabVertex) -> Iterator[Any]:
    """A running cluster and a failed one."""
    for name, fails in (("running", {}), ("failed", {"make": "no more nodes"})):
        vertex.nodes.fails.update(fails)
        vertex.https("POST", f"/v1beta1/{CLUSTERS}", {"persistentResourceId": name}, spec({}))
        yield get(vertex, name)
        vertex.nodes.fails.clear()
        delete(vertex, name)


def probe_methods(vertex: LabVertex) -> dict[str, Verdict]:
    """Each method of Google's client for persistent resources, over gRPC, on a cluster that exists."""
    own = {f"{SERVICE}.{name}": f"google.cloud.aiplatform.v1.{SERVICE}/{name}" for name in methods("v1")}
    other = {path.split(".")[-1].replace("/", "."): path for path in mixins("v1").values()}
    return {name: called(vertex, path) for name, path in (own | other).items()}


def called(vertex: LabVertex, path: str) -> Verdict:
    """The verdict on a method. Any error but a refusal of the method itself is a response."""
    vertex.https("POST", f"/v1/{CLUSTERS}", {"persistentResourceId": "called"}, spec({}))
    get(vertex, "called")
    metadata = [("authorization", f"Bearer {vertex.token(YOU)}")]
    try:
        vertex.channel(HOST).unary_unary(f"/{path}")(request(path), metadata=metadata, timeout=60)
    except grpc.RpcError as error:
        if error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.FAILED_PRECONDITION):
            return Verdict(REJECTED, str(error.details()))
    finally:
        if f"{CLUSTERS}/called" in vertex.plane.clusters.store.clusters:
            delete(vertex, "called")
    return Verdict(RETURNED)


def request(path: str) -> bytes:
    """A request for the cluster "called". The other services' requests have its name as their first field, too."""
    types = importlib.import_module("google.cloud.aiplatform_v1.types")
    method = path.rpartition("/")[2]
    kind = getattr(types, f"{method}Request" if SERVICE in path else "GetPersistentResourceRequest").pb()
    first = kind.DESCRIPTOR.fields[0].name
    name: Any = f"{CLUSTERS}/called"
    found: bytes = kind(
        **{first: {"name": name} if first == "persistent_resource" else name}
    ).SerializeToString()
    return found
