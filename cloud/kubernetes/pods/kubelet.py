"""Makes the containers match the pods' objects, and writes the pods' statuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.kubernetes.api import CORE, RAY, Api, path_of
from cloud.kubernetes.attempts import Attempts
from cloud.kubernetes.operator.cluster_status import differs
from cloud.kubernetes.operator.clusters import OURS
from cloud.kubernetes.operator.rayjob import stamp
from cloud.kubernetes.operator.wanted import CLUSTER
from cloud.kubernetes.pods import pod_status
from cloud.kubernetes.pods.runner import CannotStart, PodRunner, RunningPod
from cloud.kubernetes.pods.spec import is_placed, unschedulable

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kubelet:
    """The lab's only node. `clock` returns Unix time."""

    api: Api
    runner: PodRunner
    clock: Callable[[], float]
    attempts: Attempts = field(default_factory=Attempts)

    async def reconcile(self) -> None:
        """Stop what is too much, start what is missing, and report. Raises Rejected, NotAnswering, NodesFailed."""
        pods = await self.api.listed(CORE, "pods", OURS)
        clusters = await self.api.listed(RAY, "rayclusters")
        running = {one.uid: one for one in await self.runner.list()}
        ending = [pod for pod in pods if "deletionTimestamp" in pod["metadata"]]
        pods = [pod for pod in pods if pod not in ending]
        wanted = {pod["metadata"]["uid"] for pod in pods}
        await self.runner.stop([one for one in running.values() if one.uid not in wanted])
        for pod in ending:
            await self.api.delete(path_of(CORE, "pods", pod["metadata"]), ended=True)
        await self.runner.keep({cluster_key(one["metadata"]) for one in clusters})
        new = any(not is_placed(pod) for pod in pods)
        stuck = unschedulable(pods, await self.runner.memory()) if new else {}
        for pod in pods:
            uid = pod["metadata"]["uid"]
            await self.attempts.run(pod, self.step(pod, running.get(uid), stuck.get(uid, "")))

    async def step(self, pod: Json, found: RunningPod | None, stuck: str) -> None:
        """Start a pod if it does not run, and write its status."""
        now = stamp(self.clock())
        if stuck:
            status = pod_status.unscheduled(pod, stuck, now)
        elif found and found.state != "made":
            status = pod_status.running(pod, found, now)
        else:
            status = await self.start(pod, now)
        if differs(pod.get("status"), status):
            await self.api.merge(f"{path_of(CORE, 'pods', pod['metadata'])}/status", {"status": status})

    async def start(self, pod: Json, now: str) -> dict[str, Any]:
        """Start a pod. Returns its status."""
        about = pod["metadata"]
        try:
            await self.runner.start(pod, cluster_key({**about, "name": about["labels"][CLUSTER]}))
        except CannotStart as fault:
            return pod_status.waiting(pod, fault.reason, fault.message, now)
        return pod_status.waiting(pod, "ContainerCreating", "", now)


def cluster_key(about: Json) -> str:
    """A RayCluster's NAMESPACE/NAME."""
    return f"{about['namespace']}/{about['name']}"
