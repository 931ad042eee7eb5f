"""What a pod's object asks of its container, and whether the lab can give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloud.kubernetes.pods.runner import CannotStart
from kuberay.manifest import DESCRIBE
from kuberay.quantity import quantity
from raydock.answers import mapping, rows, text

Json = Mapping[str, Any]
DEFAULT_MEMORY = 2 * 2**30  # bytes, for a container without a limit
LEAST_MEMORY = 512 * 2**20  # bytes; Docker refuses less than 6 MiB, and Ray needs more
# What the lab's pods can't have: fields of a pod's spec or container.
POD_FIELDS = ("initContainers", "hostNetwork", "hostPID", "hostIPC")
CONTAINER_FIELDS = ("command", "envFrom", "volumeDevices")
# What the manifest's hook does, the entrypoint of our images does anyway; an operator replaces that.
HOOK = {"postStart": {"exec": {"command": ["sh", "-c", DESCRIBE]}}}


def container_of(pod: Json) -> Json:
    """The pod's only container."""
    return next(iter(rows(mapping(pod.get("spec")).get("containers"))), {})


def account_of(pod: Json) -> str:
    """The name of the pod's Kubernetes service account."""
    return text(mapping(pod.get("spec")).get("serviceAccountName")) or "default"


def memory_of(pod: Json) -> int:
    """The pod's memory limit in bytes."""
    asked = mapping(container_of(pod).get("resources"))
    both = {**mapping(asked.get("requests")), **mapping(asked.get("limits"))}
    return max(int(quantity(both.get("memory"))) or DEFAULT_MEMORY, LEAST_MEMORY)


def requested_memory(pod: Json) -> int:
    """The memory that the scheduler sets aside, in bytes."""
    asked = mapping(container_of(pod).get("resources"))
    both = {**mapping(asked.get("limits")), **mapping(asked.get("requests"))}
    return int(quantity(both.get("memory")))


def shm_of(pod: Json) -> int:
    """The size of the volume at /dev/shm in bytes; 0 if it does not say."""
    for volume in rows(mapping(pod.get("spec")).get("volumes")):
        shared = mapping(volume.get("emptyDir"))
        if shared.get("medium") == "Memory" and shared.get("sizeLimit"):
            return int(quantity(shared["sizeLimit"]))
    return 0


def environment_of(pod: Json) -> dict[str, str]:
    """The variables of the pod's container."""
    return {text(one.get("name")): text(one.get("value")) for one in rows(container_of(pod).get("env"))}


def require_supported(pod: Json) -> None:
    """Raise CannotStart, with the field, if the pod asks for something that the lab can't give."""
    if found := unsupported(pod):
        raise CannotStart("CreateContainerConfigError", f"The lab's pods can't have {', '.join(found)}.")


def unsupported(pod: Json) -> list[str]:
    """What the pod asks for that the lab can't give."""
    spec, container = mapping(pod.get("spec")), container_of(pod)
    found = [name for name in POD_FIELDS if spec.get(name)]
    found += ["more than one container"] if len(rows(spec.get("containers"))) > 1 else []
    found += [name for name in CONTAINER_FIELDS if container.get(name)]
    found += ["lifecycle"] if container.get("lifecycle") not in (None, {}, HOOK) else []
    found += [
        f"env {one.get('name')} with valueFrom" for one in rows(container.get("env")) if "valueFrom" in one
    ]
    volumes = [one for one in rows(spec.get("volumes")) if "emptyDir" not in one]
    return found + [f"volume {one.get('name')}" for one in volumes]  # fmt: skip


def unschedulable(pods: Sequence[Json], memory: int) -> dict[str, str]:
    """Why the scheduler would not place a pod, by the pod's uid. The lab is one node with this much memory.

    Pods that already run keep their place. CPUs are shared: the lab's nodes simulate theirs.
    """
    found: dict[str, str] = {}
    free = memory
    for pod in sorted(pods, key=lambda one: not is_placed(one)):
        limits = mapping(container_of(pod).get("resources", {}).get("limits"))
        devices = [name for name in limits if name not in ("cpu", "memory", "ephemeral-storage")]
        asked = requested_memory(pod)
        if not is_placed(pod) and (devices or asked > free):
            found[pod["metadata"]["uid"]] = devices[0] if devices else "memory"
        else:
            free -= asked
    return {uid: f"0/1 nodes are available: 1 Insufficient {what}." for uid, what in found.items()}


def is_placed(pod: Json) -> bool:
    """Whether the pod has been started."""
    return bool(mapping(pod.get("status")).get("podIP"))
