"""A pod's status, as the scheduler and the kubelet report it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.kubernetes.operator.cluster_status import condition
from cloud.kubernetes.pods.runner import RunningPod
from cloud.kubernetes.pods.spec import container_of
from raydock.answers import mapping

Json = Mapping[str, Any]


def unscheduled(pod: Json, message: str, now: str) -> dict[str, Any]:
    """The status of a pod for which there is no room."""
    before = mapping(pod.get("status"))
    found = condition(before, "PodScheduled", False, "Unschedulable", now) | {"message": message}
    return {"phase": "Pending", "conditions": [found]}


def waiting(pod: Json, reason: str, message: str, now: str) -> dict[str, Any]:
    """The status of a pod whose container does not start."""
    state: dict[str, Any] = {"waiting": {"reason": reason, "message": message}}
    return {
        "phase": "Pending",
        "conditions": conditions(pod, False, now),
        "containerStatuses": [container(pod, state, ready=False)],
    }


def running(pod: Json, found: RunningPod, now: str) -> dict[str, Any]:
    """The status of a pod that has a container."""
    ready = found.state == "ready"
    before = mapping(pod.get("status"))
    if found.state == "failed":
        state: dict[str, Any] = {"waiting": {"reason": "CrashLoopBackOff", "message": found.why}}
    else:
        state = {"running": {"startedAt": before.get("startTime") or now}}
    addresses = {"podIP": found.address, "podIPs": [{"ip": found.address}]} if found.address else {}
    return {
        "phase": "Running" if found.address else "Pending",
        "startTime": before.get("startTime") or now,
        **addresses,
        "conditions": conditions(pod, ready, now),
        "containerStatuses": [container(pod, state, ready)],
    }


def conditions(pod: Json, ready: bool, now: str) -> list[dict[str, Any]]:
    """The conditions of a pod that has been placed."""
    before = mapping(pod.get("status"))
    why = "" if ready else "ContainersNotReady"
    return [
        condition(before, "PodScheduled", True, "", now),
        condition(before, "Initialized", True, "", now),
        condition(before, "ContainersReady", ready, why, now),
        condition(before, "Ready", ready, why, now),
    ]


def container(pod: Json, state: Json, ready: bool) -> dict[str, Any]:
    """The status of the pod's container."""
    spec = container_of(pod)
    image = spec.get("image", "")
    return {
        "name": spec.get("name", ""),
        "image": image,
        "imageID": image,
        "ready": ready,
        "started": "running" in state,
        "restartCount": 0,
        "state": state,
    }
