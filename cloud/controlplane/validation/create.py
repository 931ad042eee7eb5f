"""Checks on a request to create a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cloud.controlplane.names import ID
from cloud.controlplane.validation.pools import check_pools, check_scaling
from cloud.controlplane.validation.runtime import check_runtime
from raydock.gcp import labels

Json = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]

TOP = "persistent_resource"
DISPLAY_NAME = 128  # characters
NETWORK = re.compile(r"projects/(?P<project>[^/]+)/global/networks/[^/]+")
KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")


def problems(identifier: str, resource: Json) -> list[tuple[str, str]]:
    """The problems with a request to create a cluster, as (field, message)."""
    pools = resource.get("resource_pools") or ()
    return [
        *check_id(identifier),
        *check_pools(pools),
        *check_scaling(pools),
        *check_runtime(resource.get("resource_runtime_spec") or {}, pools),
        *check_metadata(resource),
        *check_network(resource),
        *check_encryption(resource),
    ]


def check_id(identifier: str) -> Problems:
    """Check the cluster's ID."""
    if not ID.fullmatch(identifier):
        yield "persistent_resource_id", f'"{identifier}" does not match {ID.pattern} (1 to 63 characters).'


def check_metadata(resource: Json) -> Problems:
    """Check the display name and the labels."""
    if (length := len(resource.get("display_name") or "")) > DISPLAY_NAME:
        yield f"{TOP}.display_name", f"{length} characters exceed the limit of {DISPLAY_NAME}."
    yield from check_labels(resource.get("labels") or {})


def check_labels(found: Mapping[str, str]) -> Problems:
    """Check the labels and their number."""
    if len(found) > labels.COUNT:
        yield f"{TOP}.labels", f"{len(found)} labels exceed the limit of {labels.COUNT} per resource."
    for key, value in found.items():
        if not (labels.is_key(key) and labels.is_value(value)):
            allowed = f"Use up to {labels.LENGTH} lowercase letters, digits, underscores and dashes"
            yield f"{TOP}.labels[{key}]", f"{allowed}; a key starts with a letter."


def check_network(resource: Json) -> Problems:
    """Check the network, which can't be combined with PSC or a custom service account.

    The message's documentation requires a project number. vertex_ray.client_builder rejects the service account.
    """
    network = resource.get("network")
    if not network:
        return
    found = NETWORK.fullmatch(network)
    if found is None:
        yield f"{TOP}.network", f'"{network}" does not match projects/PROJECT_NUMBER/global/networks/NETWORK.'
    elif not re.fullmatch("[0-9]+", found["project"]):
        text = f'"{found["project"]}" is not a project number: use projects/PROJECT_NUMBER/global/networks/NETWORK.'
        yield f"{TOP}.network", text
    if (resource.get("psc_interface_config") or {}).get("network_attachment"):
        yield f"{TOP}.psc_interface_config", "It can't be set together with network."
    runtime = resource.get("resource_runtime_spec") or {}
    if (runtime.get("service_account_spec") or {}).get("service_account"):
        field = f"{TOP}.resource_runtime_spec.service_account_spec.service_account"
        yield field, "A custom service account isn't supported in a peered VPC network: omit network."


def check_encryption(resource: Json) -> Problems:
    """Check the name of the customer-managed encryption key: google/cloud/aiplatform/v1/encryption_spec.proto."""
    spec = resource.get("encryption_spec")
    if spec is not None and not KEY.fullmatch(name := spec.get("kms_key_name") or ""):
        form = "projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY"
        yield f"{TOP}.encryption_spec.kms_key_name", f'"{name}" does not match {form}.'
