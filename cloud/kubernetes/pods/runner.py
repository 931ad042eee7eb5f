"""The interface for running pods. The lab's are containers; the tests also run processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Json = Mapping[str, Any]


class CannotStart(Exception):
    """A pod's container can't start: Kubernetes' reason, such as ErrImagePull, and a message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class RunningPod:
    """A container that runs a pod. `state` is made, starting, ready or failed, and `why` explains it.

    `uid` is the pod's, `cluster` its RayCluster's NAMESPACE/NAME; `address` is "" until it has one.
    """

    uid: str
    cluster: str
    state: str
    address: str
    why: str = ""
    handle: str = ""  # by which the runner finds it


class PodRunner(Protocol):
    """Runs pods. Each method may raise NodesFailed."""

    async def memory(self) -> int:
        """The memory for all pods, in bytes."""

    async def list(self) -> Sequence[RunningPod]:
        """All pods that run, including those whose objects are gone."""

    async def start(self, pod: Json, cluster: str) -> None:
        """Start a pod. Does not wait until it is ready. Raises CannotStart."""

    async def stop(self, pods: Sequence[RunningPod]) -> None:
        """Stop pods and wait until they are gone."""

    async def keep(self, clusters: Collection[str]) -> None:
        """Repair the networks of these clusters, and remove those of all others."""
