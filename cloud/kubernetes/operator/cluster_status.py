"""A RayCluster's status, from its pods.

Source: ray-project/kuberay v1.7.0, `ray-operator/controllers/ray/raycluster_controller.go`, calculateStatus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloud.kubernetes.operator.wanted import PORTS, replicas_of
from kuberay.cluster import head_service
from raydock.answers import mapping, number, rows

Json = Mapping[str, Any]
PROVISIONED, HEAD_READY, SUSPENDED = "RayClusterProvisioned", "HeadPodReady", "RayClusterSuspended"


def raycluster_status(
    cluster: Json, head: Sequence[Json], workers: Sequence[Json], now: str, reason: str = ""
) -> dict[str, Any]:
    """The status, with null for fields to remove. `reason` is why pods can't be created."""
    about, spec, before = (mapping(cluster.get(key)) for key in ("metadata", "spec", "status"))
    groups = rows(spec.get("workerGroupSpecs"))
    desired = sum(replicas_of(group) for group in groups)
    running = [pod for pod in workers if is_running(pod)]
    ready = [pod for pod in workers if is_ready(pod)]
    head_ready = any(is_ready(pod) for pod in head)
    suspended = spec.get("suspend") is True and not head and not workers
    complete = head_ready and len(ready) >= desired
    provisioned = not spec.get("suspend") and (complete or was_provisioned(before))
    state = "suspended" if suspended else "ready" if provisioned else None
    conditions = {
        HEAD_READY: (head_ready, "HeadPodRunningAndReady" if head_ready else head_reason(head)),
        PROVISIONED: (
            provisioned,
            "AllPodRunningAndReadyFirstTime" if provisioned else "RayClusterPodsProvisioning",
        ),
        SUSPENDED: (suspended, SUSPENDED),
    }
    return {
        "state": state,
        "reason": reason or None,
        "observedGeneration": int(number(about.get("generation"))),
        "desiredWorkerReplicas": desired,
        "availableWorkerReplicas": len(running),
        "readyWorkerReplicas": len(ready),
        "minWorkerReplicas": int(sum(number(group.get("minReplicas")) for group in groups)),
        "maxWorkerReplicas": int(sum(number(group.get("maxReplicas")) for group in groups)),
        "head": head_of(str(about["name"]), head),
        "endpoints": {name: str(port) for name, port in PORTS.items()},
        "conditions": [condition(before, kind, holds, why, now) for kind, (holds, why) in conditions.items()],
    }


def head_of(cluster: str, head: Sequence[Json]) -> dict[str, Any]:
    """The status of the head."""
    found: dict[str, Any] = {"serviceName": head_service(cluster), "podName": None, "podIP": None}
    for pod in head:
        address = mapping(pod.get("status")).get("podIP")
        found |= {"podName": pod["metadata"]["name"], "podIP": address, "serviceIP": address}
    return found


def head_reason(head: Sequence[Json]) -> str:
    """Why the head is not ready."""
    return "ContainersNotReady" if head else "HeadPodNotFound"


def was_provisioned(before: Json) -> bool:
    """Whether all pods have been ready before: the operator keeps that condition."""
    return any(
        one.get("type") == PROVISIONED and one.get("status") == "True"
        for one in rows(before.get("conditions"))
    )


def condition(before: Json, kind: str, holds: bool, reason: str, now: str) -> dict[str, Any]:
    """A condition, with the time of its last change."""
    status = str(holds)
    known = next((one for one in rows(before.get("conditions")) if one.get("type") == kind), {})
    since = known.get("lastTransitionTime") if known.get("status") == status else now
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": since or now,
    }


def is_running(pod: Json) -> bool:
    """Whether a pod's container runs."""
    return mapping(pod.get("status")).get("phase") == "Running"


def is_ready(pod: Json) -> bool:
    """Whether a pod is ready."""
    conditions = rows(mapping(pod.get("status")).get("conditions"))
    return is_running(pod) and any(
        one.get("type") == "Ready" and one.get("status") == "True" for one in conditions
    )


def differs(before: Any, after: Any) -> bool:
    """Whether merging `after` into `before` would change it. null removes a field."""
    if isinstance(after, Mapping):
        known = before if isinstance(before, Mapping) else {}
        return any(differs(known.get(key), value) for key, value in after.items())
    if isinstance(after, list) and isinstance(before, list) and len(before) == len(after):
        return any(map(differs, before, after))  # the server adds fields with defaults
    return bool(before != after)
