"""Resizes a running cluster. Vertex AI can change only node counts, and a request must include every pool's count."""

from __future__ import annotations

from collections.abc import Sequence

from raydock.errors import NotUp, UsageError
from raydock.topology import Topology, pool_size
from vertex.cluster import Cluster, ResourcePool
from vertex.lifecycle import ClusterWaiter, command_line
from vertex.spec.machine_types import machine_of
from vertex.spec.plan import CLUSTER_NODES


def node_counts(found: Cluster, topology: Topology, sizes: Sequence[str]) -> list[int]:
    """The number of nodes in every pool, including the head node. Raises UsageError for an invalid size."""
    counts = [pool.nodes for pool in found.pools]
    for text in sizes:
        name, count = pool_size(text)
        index, min_nodes = resolve_pool(found, topology, name)
        pool = found.pools[index]
        if count < min_nodes:
            raise UsageError(
                f"{pool.id} must keep at least {min_nodes} node: Vertex AI can't remove a pool from a running cluster.",
                f"Example: {name}={min_nodes}",
            )
        # The first pool includes the head node. The pool's compose.yaml name counts only workers, its Vertex AI name
        # counts all nodes.
        counts[index] = count + 1 if index == 0 and name != pool.id else count
    if sum(counts) > CLUSTER_NODES:
        raise UsageError(
            f"{sum(counts)} nodes exceed the limit of {CLUSTER_NODES} per cluster.", "Reduce the counts."
        )
    return counts


def resolve_pool(found: Cluster, topology: Topology, name: str) -> tuple[int, int]:
    """The index of the pool that the name refers to, and the minimum count for that name. Raises UsageError."""
    ids = [pool.id for pool in found.pools]
    if name in ids:
        return ids.index(name), 1
    specs = {pool.name: machine_of(pool).spec for pool in topology.workers}
    if name not in specs:
        known = ", ".join([*ids, *specs])
        if name == "head":
            raise UsageError("The head is always one node and can't be scaled.", f"Pools: {known}")
        raise UsageError(f"There is no pool {name}.", f"Pools: {known}")
    index = next((n for n, pool in enumerate(found.pools) if spec(pool) == specs[name]), None)
    if index is None:
        raise UsageError(
            f"No pool in {found.id} uses the same machine as {name} in compose.yaml.",
            f"Use one of the cluster's pool names: {', '.join(described(pool) for pool in found.pools)}",
        )
    same = [other for other, one in specs.items() if one == specs[name]]
    if len(same) > 1:
        raise UsageError(
            f"{' and '.join(same)} use the same machine, so they may share a pool in {found.id}.",
            f"Use one of the cluster's pool names: {', '.join(described(pool) for pool in found.pools)}",
        )
    return index, 0 if index == 0 else 1


def spec(pool: ResourcePool) -> tuple[str, str, int]:
    """A pool's machine, in a form that can be compared with PoolMachine.spec."""
    return pool.machine_type, pool.accelerator_type, pool.accelerator_count


def described(pool: ResourcePool) -> str:
    """A pool with its node count and machine, for messages."""
    gpus = f" with {pool.accelerator_count} {pool.accelerator_type}" if pool.accelerator_count else ""
    return f"{pool.id}={pool.nodes} ({pool.machine_type}{gpus})"


def resize(waiter: ClusterWaiter, topology: Topology, sizes: Sequence[str]) -> Cluster:
    """Request the sizes, and wait until they are in effect.

    Raises UsageError if the cluster autoscales, and NotUp if it is not running.
    """
    client, name = waiter.client, waiter.cluster
    found = client.get(name)
    if autoscaled := [pool for pool in found.pools if pool.max_nodes]:
        each = ", ".join(f"{pool.id} from {pool.min_nodes} to {pool.max_nodes}" for pool in autoscaled)
        another = command_line("up", client.location, "OTHER", "--autoscale MIN:MAX")
        raise UsageError(
            f"{name} autoscales ({each} nodes), so Vertex AI does not accept node counts for it.",
            f"Create another cluster with different bounds: {another}",
        )
    counts = node_counts(found, topology, sizes)
    if found.state != "RUNNING":
        raise NotUp(
            f"{name} is {found.state}; only a RUNNING cluster can be scaled.",
            f"Check its state: {command_line('status', client.location, name)}",
        )
    if counts == [pool.nodes for pool in found.pools]:
        return found
    resource = client.get_message(name)
    for pool, count in zip(resource.resource_pools, counts, strict=True):
        pool.replica_count = count
    operation = client.update(resource, ["resource_pools.replica_count"])

    def settled(now: Cluster | None) -> bool:
        return client.is_done(operation, name) and (now is None or now.state != "UPDATING")

    after = waiter.wait_until(settled)
    if after is None or after.state != "RUNNING":
        why = f"{after.state}: {after.error}" if after else "gone"
        raise NotUp(
            f"{name} is {why.rstrip(': ')}.",
            f"Check its state: {command_line('status', client.location, name)}",
        )
    return after
