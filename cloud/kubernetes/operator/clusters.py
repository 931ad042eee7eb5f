"""Makes each RayCluster's pods and services match its object, and writes its status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.kubernetes.api import CORE, RAY, Api, Rejected, path_of
from cloud.kubernetes.attempts import Attempts
from cloud.kubernetes.operator.cluster_status import differs, raycluster_status
from cloud.kubernetes.operator.rayjob import stamp
from cloud.kubernetes.operator.wanted import OPERATOR, TYPE, PodPlan, head_objects, pods_of
from cloud.kubernetes.pods.spec import account_of
from raydock.answers import mapping, rows

Json = Mapping[str, Any]
Ports = Callable[[Json], Mapping[str, int]]
OURS = f"?labelSelector={OPERATOR}%3Dkuberay-operator"
KINDS = ("pods", "services", "endpoints")  # what a RayCluster owns


@dataclass(frozen=True, slots=True)
class Owned:
    """All objects that RayClusters own, by kind, and the service accounts as (namespace, name)."""

    objects: Mapping[str, Sequence[Json]]
    accounts: frozenset[tuple[str, str]]

    def of(self, kind: str, uid: str) -> list[Json]:
        """The objects of one RayCluster."""
        return [one for one in self.objects[kind] if owner_uid(one) == uid]


@dataclass(frozen=True, slots=True)
class ClusterOperator:
    """KubeRay's controller for RayClusters. `clock` returns Unix time, `ports` a head's, by name."""

    api: Api
    clock: Callable[[], float]
    ports: Ports
    attempts: Attempts = field(default_factory=Attempts)

    async def reconcile(self) -> None:
        """Take every RayCluster one step further. Raises Rejected and NotAnswering."""
        clusters = await self.api.listed(RAY, "rayclusters")
        objects = {kind: await self.api.listed(CORE, kind, OURS) for kind in KINDS}
        accounts = await self.api.listed(CORE, "serviceaccounts")
        names = ((one["metadata"]["namespace"], one["metadata"]["name"]) for one in accounts)
        owned = Owned(objects, frozenset(names))
        await self.collect_garbage(owned, {one["metadata"]["uid"] for one in clusters})
        for cluster in clusters:
            await self.attempts.run(cluster, self.step(cluster, owned))

    async def collect_garbage(self, owned: Owned, uids: set[str]) -> None:
        """Delete what deleted RayClusters owned: in Kubernetes, the controller manager does."""
        for kind in KINDS:
            for one in owned.objects[kind]:
                if owner_uid(one) not in uids and "deletionTimestamp" not in one["metadata"]:
                    await self.api.delete(path_of(CORE, kind, one["metadata"]))

    async def step(self, cluster: Json, owned: Owned) -> None:
        """Create what a RayCluster lacks, delete what it has too much, and write its status."""
        about = cluster["metadata"]
        every, plans = owned.of("pods", about["uid"]), pods_of(cluster)
        wanted = {plan.name for plan in plans}
        pods = [one for one in every if "deletionTimestamp" not in one["metadata"]]
        for pod in [one for one in pods if one["metadata"]["name"] not in wanted]:
            await self.api.delete(path_of(CORE, "pods", pod["metadata"]))
        there = {one["metadata"]["name"] for one in pods}
        missing = [plan for plan in plans if plan.name not in there]
        reasons = [await self.create(plan, owned) for plan in missing]
        heads = [one for one in pods if one["metadata"]["labels"].get(TYPE) == "head"]
        workers = [one for one in pods if one not in heads]
        if "deletionTimestamp" in about:
            return await self.release(cluster, every)
        await self.expose(about, heads, owned)
        why = next(filter(None, reasons), "")
        status = raycluster_status(cluster, heads, workers, stamp(self.clock()), why)
        if differs(cluster.get("status"), status):
            changed = {"lastUpdateTime": stamp(self.clock()), **status}
            await self.api.merge(f"{path_of(RAY, 'rayclusters', about)}/status", {"status": changed})

    async def create(self, plan: PodPlan, owned: Owned) -> str:
        """Create a pod. Returns why that is impossible, in Kubernetes' words, or ""."""
        body, space = plan.body(), plan.cluster["namespace"]
        account = account_of(body)
        if (space, account) not in owned.accounts:
            return (
                f'pods "{plan.name}" is forbidden: error looking up service account {space}/{account}: '
                f'serviceaccount "{account}" not found'
            )
        try:
            await self.api.create(f"{CORE}/namespaces/{space}/pods", body)
        except Rejected as refusal:
            return str(refusal)
        return ""

    async def expose(self, about: Json, heads: Sequence[Json], owned: Owned) -> None:
        """Make the head reachable through its service."""
        service, endpoints = head_objects(about, heads, self.ports)
        base = f"{CORE}/namespaces/{about['namespace']}"
        if not owned.of("services", about["uid"]):
            await self.api.create(f"{base}/services", service)
        known = owned.of("endpoints", about["uid"])
        if not known:
            await self.api.create(f"{base}/endpoints", endpoints)
        elif differs(known[0].get("subsets") or [], endpoints["subsets"]):
            path = path_of(CORE, "endpoints", endpoints["metadata"])
            await self.api.merge(path, {"subsets": endpoints["subsets"]})

    async def release(self, cluster: Json, pods: Sequence[Json]) -> None:
        """Let a RayCluster go that is deleted with its pods in the foreground."""
        if not pods:
            path = path_of(RAY, "rayclusters", cluster["metadata"])
            await self.api.merge(path, {"metadata": {"finalizers": None}})


def owner_uid(found: Json) -> str:
    """The uid of the object that controls this one."""
    owners = rows(mapping(found.get("metadata")).get("ownerReferences"))
    return next((str(one["uid"]) for one in owners if one.get("controller") is True), "")
