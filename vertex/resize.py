"""Resize a running cluster. Vertex AI can change only node counts, and a request must contain every pool's."""

from __future__ import annotations

from collections.abc import Sequence

from raydock.errors import NotUp, UsageError
from raydock.topology import Topology, pool_size
from vertex.cluster import Cluster, ResourcePool
from vertex.lifecycle import ClusterWaiter, again
from vertex.spec.machine_types import machine_of
from vertex.spec.plan import CLUSTER_NODES


def counts(found: Cluster, topology: Topology, sizes: Sequence[str]) -> list[int]:
    """The number of nodes of every pool, including the head node. Raises UsageError for an invalid size."""
    wanted = [pool.nodes for pool in found.pools]
    for text in sizes:
        name, count = pool_size(text)
        number, least = resolve(found, topology, name)
        pool = found.pools[number]
        if count < least:
            raise UsageError(
                f"{pool.id} must keep at least {least} node; Vertex AI removes no pool of a cluster that runs.",
                f"Example: {name}={least}",
            )
        # The first pool includes the head node: a compose.yaml name counts only workers, a Vertex AI name all nodes.
        wanted[number] = count + 1 if number == 0 and name != pool.id else count
    if sum(wanted) > CLUSTER_NODES:
        raise UsageError(f"{sum(wanted)} nodes are more than {CLUSTER_NODES} a cluster.", "Ask for fewer.")
    return wanted


def resolve(found: Cluster, topology: Topology, name: str) -> tuple[int, int]:
    """The index of the pool that the name refers to, and the minimum count under that name. Raises UsageError."""
    ids = [pool.id for pool in found.pools]
    if name in ids:
        return ids.index(name), 1
    specs = {pool.name: machine_of(pool).spec for pool in topology.workers}
    if name not in specs:
        known = ", ".join([*ids, *specs])
        if name == "head":
            raise UsageError("The head is always one node; it can't be scaled.", f"Pools: {known}")
        raise UsageError(f"There is no pool {name}.", f"Pools: {known}")
    number = next((n for n, pool in enumerate(found.pools) if spec(pool) == specs[name]), None)
    if number is None:
        raise UsageError(
            f"No pool of {found.id} has the machine that compose.yaml gives {name}.",
            f"Name one of its own: {', '.join(described(pool) for pool in found.pools)}",
        )
    same = [other for other, one in specs.items() if one == specs[name]]
    if len(same) > 1:
        raise UsageError(
            f"{' and '.join(same)} have the same machine, so they may be one pool of {found.id}.",
            f"Name it: {', '.join(described(pool) for pool in found.pools)}",
        )
    return number, 0 if number == 0 else 1


def spec(pool: ResourcePool) -> tuple[str, str, int]:
    """The machine of a pool, comparable with PoolMachine.spec."""
    return pool.machine_type, pool.accelerator_type, pool.accelerator_count


def described(pool: ResourcePool) -> str:
    """A pool with its nodes and machine, for messages."""
    gpus = f" with {pool.accelerator_count} {pool.accelerator_type}" if pool.accelerator_count else ""
    return f"{pool.id}={pool.nodes} ({pool.machine_type}{gpus})"


def change(watch: ClusterWaiter, topology: Topology, sizes: Sequence[str]) -> Cluster:
    """Request the sizes, and wait until the cluster has them.

    Raises UsageError for an autoscaling cluster, and NotUp for one that is not running.
    """
    api, name = watch.api, watch.cluster
    found = api.get(name)
    if grown := [pool for pool in found.pools if pool.most]:
        each = ", ".join(f"{pool.id} from {pool.least} to {pool.most}" for pool in grown)
        raise UsageError(
            f"{name} scales by itself ({each} nodes), and Vertex AI takes no counts for it then.",
            f"Make another one with other bounds: {again('up', api.location, 'OTHER', '--autoscale MIN:MAX')}",
        )
    wanted = counts(found, topology, sizes)
    if found.state != "RUNNING":
        raise NotUp(
            f"{name} is {found.state}; only a cluster that is RUNNING can be scaled.",
            f"See: {again('status', api.location, name)}",
        )
    if wanted == [pool.nodes for pool in found.pools]:
        return found
    resource = api.raw(name)
    for pool, count in zip(resource.resource_pools, wanted, strict=True):
        pool.replica_count = count
    operation = api.update(resource, ["resource_pools.replica_count"])

    def settled(now: Cluster | None) -> bool:
        return api.done(operation, name) and (now is None or now.state != "UPDATING")

    after = watch.until(settled)
    if after is None or after.state != "RUNNING":
        why = f"{after.state}: {after.error}" if after else "gone"
        raise NotUp(f"{name} is {why.rstrip(': ')}.", f"See: {again('status', api.location, name)}")
    return after
