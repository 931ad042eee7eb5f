"""The pods of one group of a RayCluster, and what they offer to Ray.

Source: ray-project/kuberay v1.7.0, `controllers/ray/common/pod.go`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuberay.quantity import quantity
from raydock.answers import mapping, rows, text

ANNOTATION = "iam.gke.io/gcp-service-account"  # of a Kubernetes service account: its Google account
START_PARAMS = {"num-cpus": "CPU", "num-gpus": "GPU", "memory": "memory"}


@dataclass(frozen=True, slots=True)
class PodGroup:
    """The pods of the head or of one worker group. `resources` are one pod's, by Ray's names; memory in bytes."""

    name: str  # "head" for the head
    service_account: str
    image: str
    replicas: int
    most: int  # with the autoscaler, else as `replicas`
    resources: Mapping[str, float] = field(default_factory=dict)
    least: int = 0  # with the autoscaler, else as `replicas`
    simulated: bool = False  # whether its GPUs are


def group_of(name: str, group: Mapping[str, Any], replicas: int, most: int, account: str) -> PodGroup:
    """One group from its part of the spec."""
    pod, start = mapping(group.get("template"), "spec"), mapping(group.get("rayStartParams"))
    container = next(iter(rows(pod.get("containers"))), {})
    return PodGroup(
        name=name,
        service_account=text(pod.get("serviceAccountName")) or account,
        image=text(container.get("image")),
        replicas=replicas,
        most=most,
        resources=resources_of(mapping(container.get("resources")), start),
        simulated="gpu=simulated" in text(start.get("labels")).split(","),
    )


def resources_of(container: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, float]:
    """What one pod offers to Ray: `rayStartParams`, else the container's limits, else its requests."""
    asked = {**mapping(container.get("requests")), **mapping(container.get("limits"))}
    named = {"cpu": "CPU", "memory": "memory"}
    found = {
        named.get(key, "GPU"): quantity(value)
        for key, value in asked.items()
        if key in named or key.endswith("/gpu")
    }
    found |= {name: quantity(start[key]) for key, name in START_PARAMS.items() if key in start}
    return found | {"CPU": float(math.ceil(found["CPU"]))} if "CPU" in found else found
