"""Reads the shape of a managed Ray cluster on Vertex AI: its pools, and the account that its jobs run as.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/projects.locations.persistentResources
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from iam.errors import IamError
from iam.lab.imported import LabCluster, LabPool
from iam.policy_reader import PolicyReader, json_of
from raydock.answers import mapping, rows, text
from raydock.errors import NotFound, PermissionDenied

FULL_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/persistentResources/([^/]+)")


async def read_cluster(reader: PolicyReader, project: str, region: str, name: str) -> tuple[str, LabCluster]:
    """A cluster's short name and shape. Raises NotFound, PermissionDenied, or IamError if it is not a Ray cluster."""
    if full := FULL_NAME.fullmatch(name):
        project, region, name = full[1], full[2], full[3]
    host = f"{region}-aiplatform.googleapis.com"
    path = f"/v1beta1/projects/{quote(project)}/locations/{quote(region)}/persistentResources/{quote(name)}"
    flags = f"--project {project} --region {region}"
    try:
        found = json_of(await reader.send("GET", host, path), host)
    except NotFound:
        fix = f"list the clusters: python -m cluster status --target vertex {flags}"
        raise NotFound(f"There is no cluster {name} in {project}, {region}.", fix) from None
    if found is None:
        denied = "aiplatform.persistentResources.get is denied"
        message = f"Cluster {name} in {project}, {region} could not be read: {denied}."
        raise PermissionDenied(message, "ask for roles/aiplatform.viewer on the project, or omit --cluster")
    return name, shape_of(found, name, region)


def shape_of(document: Mapping[str, Any], name: str, region: str) -> LabCluster:
    """The shape in a PersistentResource. Raises IamError if it is not a Ray cluster."""
    runtime = mapping(document.get("resourceRuntimeSpec"))
    pools = tuple(pool_of(one) for one in rows(document.get("resourcePools")))
    if "raySpec" not in runtime or not pools:
        fix = "list the Ray clusters: python -m cluster status --target vertex"
        raise IamError(f"{name} is a persistent resource, but not a Ray cluster.", fix)
    return LabCluster(region, text(mapping(runtime.get("serviceAccountSpec")).get("serviceAccount")), pools)


def pool_of(document: Mapping[str, Any]) -> LabPool:
    """One resource pool. An autoscaled one starts with its minimum."""
    machine, scaling = mapping(document.get("machineSpec")), mapping(document.get("autoscalingSpec"))
    least, most = count(scaling, "minReplicaCount"), count(scaling, "maxReplicaCount")
    kind = text(machine.get("acceleratorType"))
    return LabPool(
        id=text(document.get("id")),
        machine_type=text(machine.get("machineType")),
        nodes=count(document, "replicaCount") or least,
        accelerator_type="" if kind == "ACCELERATOR_TYPE_UNSPECIFIED" else kind,
        accelerator_count=count(machine, "acceleratorCount"),
        min_nodes=least,
        max_nodes=most,
    )


def count(document: Mapping[str, Any], name: str) -> int:
    """An int64, which Google's JSON writes as a string; 0 if it is absent."""
    value = str(document.get(name) or 0)
    return int(value) if value.isdigit() else 0
