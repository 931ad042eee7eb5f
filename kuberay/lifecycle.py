"""Creates, changes and scales a RayCluster, by server-side apply: nothing that another client has set is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kuberay import access, lookup
from kuberay.access import Access
from kuberay.client import FIELD_MANAGER, RAY, KubeClient, namespaced
from kuberay.cluster import RayCluster, cluster_of
from kuberay.errors import ClusterNotFound, Conflict, NotConfigured, Unusable
from kuberay.spec.changes import Change, changes
from kuberay.waiting import ClusterWaiter, command_line, wait_until_settled
from raydock.answers import mapping, number, rows, text
from raydock.topology import pool_size

CLUSTERS, GROUP = "rayclusters", "ray.io"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What applying a manifest would do, as the server says. `force` takes fields over from other clients."""

    manifest: Mapping[str, Any]
    found: RayCluster | None  # None if it would be created
    changes: tuple[Change, ...]
    force: bool = False


def path_of(client: KubeClient, name: str) -> str:
    """The path of a RayCluster."""
    return namespaced(RAY, client.context.namespace, CLUSTERS, name)


def require(client: KubeClient, name: str, *verbs: str) -> None:
    """Check that the caller may do this to the cluster. Raises AccessDenied, or ClusterNotFound for the namespace."""
    access.require(
        client, [Access(verb, CLUSTERS, GROUP, "" if verb == "create" else name) for verb in verbs]
    )


def propose(client: KubeClient, manifest: Mapping[str, Any], force: bool = False) -> Proposal:
    """Ask the server what applying the manifest would change; nothing is changed.

    Raises AccessDenied, Unusable for a cluster that belongs to another object, and Conflict.
    """
    name = text(mapping(manifest.get("metadata")).get("name"))
    require(client, name, "get", "patch")
    before: Mapping[str, Any] = {}
    try:
        before = client.get(path_of(client, name))
    except ClusterNotFound as fault:
        if why := lookup.unsupported(client, fault):
            raise why from None
        require(client, name, "create")
    found = cluster_of(before) if before else None
    if found:
        raise_if_unchangeable(found, client)
        manifest = with_autoscaled_replicas(manifest, before)
    try:
        after = client.apply(path_of(client, name), manifest, dry_run=True, force=force)
    except Conflict as conflict:
        if set(conflict.fields) != {FIELD_MANAGER}:
            raise explained(conflict, client, name) from None
        force = True  # `scale` has set them: the same tool, by another kind of request
        after = client.apply(path_of(client, name), manifest, dry_run=True, force=force)
    return Proposal(manifest, found, tuple(changes(before, after)) if found else (), force)


def apply(client: KubeClient, proposal: Proposal) -> RayCluster:
    """Create or change the cluster as proposed. Raises Conflict if another client has changed it since."""
    name = text(mapping(proposal.manifest.get("metadata")).get("name"))
    try:
        return cluster_of(client.apply(path_of(client, name), proposal.manifest, force=proposal.force))
    except Conflict as conflict:
        raise explained(conflict, client, name) from None


def explained(conflict: Conflict, client: KubeClient, name: str) -> Conflict:
    """The error with the clients and their fields, and the command that overwrites them."""
    owners = "; ".join(
        f"{manager} has set {', '.join(fields)}" for manager, fields in conflict.fields.items()
    )
    return Conflict(
        f"{name} was changed by another client, and nothing was changed now: {owners}.",
        f"Keep its values, or overwrite them: {command_line('up', client.context, name, '--force-conflicts')}",
        conflict.fields,
    )


def raise_if_unchangeable(found: RayCluster, client: KubeClient) -> None:
    """Raises Unusable if the cluster is being deleted, or belongs to a RayJob or RayService."""
    if found.deleting:
        raise Unusable(
            f"{found.name} is being deleted. Its name can't be reused until it is gone.",
            f"Wait until it is gone: {command_line('down', client.context, found.name)}",
        )
    if found.owner:
        kind, _, name = found.owner.partition("/")
        raise Unusable(
            f"{found.name} belongs to {found.owner}, which would restore it.",
            f"See it: kubectl {client.context.flags} get {kind} {name}\n"
            f"Delete it: kubectl {client.context.flags} delete {kind} {name}",
        )


def with_autoscaled_replicas(manifest: Mapping[str, Any], before: Mapping[str, Any]) -> Mapping[str, Any]:
    """The manifest with the number of replicas that the autoscaler has chosen, if it scales in both versions."""
    spec, now = mapping(manifest.get("spec")), mapping(before.get("spec"))
    if not (spec.get("enableInTreeAutoscaling") and now.get("enableInTreeAutoscaling")):
        return manifest
    current = {text(one.get("groupName")): one.get("replicas") for one in rows(now.get("workerGroupSpecs"))}

    def kept(group: Mapping[str, Any]) -> dict[str, Any]:
        count = int(number(current.get(text(group.get("groupName")), group["replicas"])))
        return {**group, "replicas": min(max(count, group["minReplicas"]), group["maxReplicas"])}

    return {**manifest, "spec": {**spec, "workerGroupSpecs": [kept(one) for one in spec["workerGroupSpecs"]]}}


def scale(waiter: ClusterWaiter, sizes: Sequence[str]) -> RayCluster:
    """Set the groups' numbers of pods, and wait until they run.

    Raises NotConfigured for an unknown group or if the cluster autoscales. The request fails if groups have moved.
    """
    client, name = waiter.client, waiter.cluster
    require(client, name, "get", "patch")
    lookup.read(client, name)  # its message names what is missing
    found = client.get(path_of(client, name))
    cluster = cluster_of(found)
    raise_if_unchangeable(cluster, client)
    cluster.raise_if_suspended(client.context.flags)
    if cluster.autoscaled:
        bounds = ", ".join(f"{one.name} from {one.least} to {one.most}" for one in cluster.groups[1:])
        more = "--autoscale MIN:MAX"
        raise NotConfigured(
            f"{name} autoscales ({bounds} pods), so its autoscaler would undo this.",
            f"Change the bounds: {command_line('up', client.context, name, more)}",
        )
    groups = rows(mapping(found.get("spec")).get("workerGroupSpecs"))
    operations = [one for size in sizes for one in operations_of(groups, *pool_size(size))]
    client.patch(path_of(client, name), operations)
    return wait_until_settled(waiter)


def operations_of(groups: Sequence[Mapping[str, Any]], name: str, count: int) -> list[dict[str, Any]]:
    """The JSON Patch that sets one group's number, and its bounds if it lies outside them. Raises NotConfigured."""
    names = [text(one.get("groupName")) for one in groups]
    if name not in names:
        problem = (
            "The head is always one pod and can't be scaled."
            if name == "head"
            else f"There is no group {name}."
        )
        raise NotConfigured(problem, f"Worker groups: {', '.join(names) or 'none'}")
    index = names.index(name)
    least = min(int(number(groups[index].get("minReplicas"))), count)
    most = max(int(number(groups[index].get("maxReplicas"))), count, 1)
    base = f"/spec/workerGroupSpecs/{index}"
    values = {"replicas": count, "minReplicas": least, "maxReplicas": most}
    test = {"op": "test", "path": f"{base}/groupName", "value": name}
    return [test, *({"op": "add", "path": f"{base}/{key}", "value": value} for key, value in values.items())]
