"""Takes RayJobs through their states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from cloud.kubernetes.api import CORE, RAY, Api, Rejected, path_of
from cloud.kubernetes.attempts import Attempts
from cloud.kubernetes.operator.cluster_status import differs
from cloud.kubernetes.operator.clusters import owner_uid
from cloud.kubernetes.operator.rayjob import next_step
from kuberay.cluster import head_service
from raydock.answers import mapping, rows, text

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobOperator:
    """KubeRay's controller for RayJobs. `clock` returns Unix time."""

    api: Api
    clock: Callable[[], float]
    attempts: Attempts = field(default_factory=Attempts)

    async def reconcile(self) -> None:
        """Take every RayJob one step further. Raises Rejected and NotAnswering."""
        jobs = await self.api.listed(RAY, "rayjobs")
        clusters = await self.api.listed(RAY, "rayclusters")
        uids = {one["metadata"]["uid"] for one in jobs}
        for one in clusters:
            if is_of_job(one) and owner_uid(one) not in uids:
                await self.api.delete(path_of(RAY, "rayclusters", one["metadata"]))
        for job in jobs:
            await self.attempts.run(job, self.step(job, clusters))

    async def step(self, job: Json, clusters: Sequence[Json]) -> None:
        """Take a RayJob one step further."""
        about, status = job["metadata"], mapping(job.get("status"))
        place = (about["namespace"], status.get("rayClusterName"))
        found = (one for one in clusters if (one["metadata"]["namespace"], one["metadata"]["name"]) == place)
        ray_status = await self.ray_status(job)
        step = next_step(job, next(found, None), ray_status, self.clock())
        if step.create:
            await self.api.create(f"{RAY}/namespaces/{about['namespace']}/rayclusters", step.create)
        if step.delete:
            await self.api.delete(path_of(RAY, "rayclusters", {**about, "name": step.delete}))
        if step.status and differs(status, step.status):
            await self.api.merge(f"{path_of(RAY, 'rayjobs', about)}/status", {"status": step.status})

    async def ray_status(self, job: Json) -> str:
        """What Ray says of the job, through the head's service; "" if it does not run or Ray does not say."""
        status = mapping(job.get("status"))
        if status.get("jobDeploymentStatus") != "Running":
            return ""
        service = head_service(text(status.get("rayClusterName")))
        space, name = job["metadata"]["namespace"], quote(text(status.get("jobId")), safe="")
        path = f"{CORE}/namespaces/{space}/services/{service}:dashboard/proxy/api/jobs/{name}"
        try:
            return text(mapping(await self.api.call("GET", path)).get("status"))
        except Rejected:
            return ""


def is_of_job(cluster: Json) -> bool:
    """Whether a RayJob controls the cluster."""
    owners = rows(cluster["metadata"].get("ownerReferences"))
    return any(one.get("kind") == "RayJob" and one.get("controller") is True for one in owners)
