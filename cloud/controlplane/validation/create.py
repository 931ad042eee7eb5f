"""The checks of a request to create a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cloud.controlplane.names import ID
from cloud.controlplane.validation.pools import check_pools, check_scaling
from cloud.controlplane.validation.runtime import check_runtime

Json = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]

TOP = "persistent_resource"
DISPLAY_NAME = 128  # characters
LABEL = re.compile(r"[\w-]{0,64}")
NETWORK = re.compile(r"projects/(?P<project>[^/]+)/global/networks/[^/]+")


def problems(identifier: str, resource: Json) -> list[tuple[str, str]]:
    """The problems of a request to create a cluster, as (field, message)."""
    pools = resource.get("resource_pools") or ()
    return [
        *check_id(identifier),
        *check_pools(pools),
        *check_scaling(pools),
        *check_runtime(resource.get("resource_runtime_spec") or {}, pools),
        *check_metadata(resource),
        *check_network(resource),
    ]


def check_id(identifier: str) -> Problems:
    """Check the cluster's id."""
    if not ID.fullmatch(identifier):
        yield "persistent_resource_id", f'"{identifier}" does not match {ID.pattern} (1 to 63 characters).'


def check_metadata(resource: Json) -> Problems:
    """Check the display name and the labels."""
    if (length := len(resource.get("display_name") or "")) > DISPLAY_NAME:
        yield f"{TOP}.display_name", f"{length} characters exceed the limit of {DISPLAY_NAME}."
    for key, value in (resource.get("labels") or {}).items():
        if not key or not all(LABEL.fullmatch(text) and text == text.lower() for text in (key, value)):
            yield f"{TOP}.labels[{key}]", "Use up to 64 lowercase letters, digits, underscores and dashes."


def check_network(resource: Json) -> Problems:
    """Check the network, which excludes PSC and, in the SDK's words, a custom service account.

    A project number is required by the message's documentation. The service account: vertex_ray.client_builder.
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
