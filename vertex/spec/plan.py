"""What `up` will create: compose.yaml's pools, converted to Vertex AI resource pools, and their totals.

Worker pools are merged into the head's pool, and pools are named, by the same rules as in
`vertex_ray.create_ray_cluster` (google-cloud-aiplatform 2.7.0). tests/unit/cluster/vertex_ai/test_same_as_sdk.py
compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from raydock.errors import UsageError
from raydock.gcp import labels as label_rules
from raydock.topology import Pool, Topology
from vertex.location import Location
from vertex.spec import images as image
from vertex.spec.machine_types import PoolMachine, machine_of
from vertex.spec.options import ClusterOptions

POOL_NODES, CLUSTER_NODES = 1000, 2000  # quotas for Ray on Vertex AI
LABEL = "raydock"  # marks clusters created by raydock


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """One resource pool. If `bounds` is set, `nodes` is the minimum. `services` are compose.yaml's names."""

    id: str
    services: tuple[str, ...]
    nodes: int
    machine: PoolMachine
    image: str
    bounds: tuple[int, int] | None = None

    @property
    def count(self) -> str:
        """The number of nodes as text: "3", or "1-4" with autoscaling."""
        return f"{self.bounds[0]}-{self.bounds[1]}" if self.bounds else str(self.nodes)

    @property
    def node_range(self) -> tuple[int, int]:
        """The minimum and maximum number of nodes."""
        return self.bounds or (self.nodes, self.nodes)


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """Everything that will be requested. If jobs run as the service agent, `account` is ""."""

    cluster: str
    location: Location
    pools: tuple[PoolPlan, ...]
    account: str = ""
    network: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Totals:
    """A cluster's minimum and maximum totals. `unknown` are machine types whose names do not include the vCPUs."""

    nodes: tuple[int, int]
    cpus: tuple[int, int]
    gpus: tuple[int, int]
    unknown: tuple[str, ...] = ()


def plan_of(topology: Topology, cluster: str, location: Location, options: ClusterOptions) -> ClusterPlan:
    """The plan for compose.yaml's topology. Raises UsageError for anything that Vertex AI would reject."""
    location.resource_name(cluster)
    known = {pool.name for pool in topology.pools}
    for name in options.images:
        if name and name not in known:
            raise UsageError(f"--image: there is no pool {name}.", f"Pools: {', '.join(sorted(known))}")
    return ClusterPlan(
        cluster,
        location,
        validated(pools_of(topology, location.region, options), options),
        options.account,
        options.network,
        {LABEL: topology.project[: label_rules.LENGTH], **options.labels},
    )


def pools_of(topology: Topology, region: str, options: ClusterOptions) -> tuple[PoolPlan, ...]:
    """The head's pool, merged with the workers that use the same machine, and one pool for each of the others.

    Pools are numbered by their position among the non-empty worker pools, including merged ones, as in the SDK.
    """

    def pool(name: str, service: Pool, nodes: int, bounds: tuple[int, int] | None) -> PoolPlan:
        machine = machine_of(service)
        uri = options.image(service.name) or image.prebuilt(region, bool(machine.accelerator_count))
        return PoolPlan(name, (service.name,), nodes, machine, uri, bounds)

    first = pool("head-node", topology.head, 1, None)
    others = []
    for number, service in enumerate((one for one in topology.workers if one.nodes), 1):
        bounds = options.bounds
        found = pool(f"worker-pool{number}", service, bounds[0] if bounds else service.nodes, bounds)
        if found.machine.spec == first.machine.spec:
            first = merged(first, found)
        else:
            others.append(found)
    return (first, *others)


def merged(head: PoolPlan, worker: PoolPlan) -> PoolPlan:
    """The head's pool with workers that use the same machine. `bounds` apply to the whole pool, including the head."""
    if (head.machine, head.image) != (worker.machine, worker.image):
        what = "disk" if head.machine != worker.machine else "image"
        raise UsageError(
            f"{worker.services[0]} and the head use the same machine and so share a pool, but their {what}s differ.",
            f"Use the same {what} for both, or a different machine_type (compose.yaml, x-vertex).",
        )
    nodes = worker.nodes if worker.bounds else head.nodes + worker.nodes
    return replace(head, services=head.services + worker.services, nodes=nodes, bounds=worker.bounds)


def validated(pools: tuple[PoolPlan, ...], options: ClusterOptions) -> tuple[PoolPlan, ...]:
    """The pools, validated against Vertex AI's quotas and autoscaling rules. Raises UsageError."""
    most = [pool.node_range[1] for pool in pools]
    if max(most) > POOL_NODES or sum(most) > CLUSTER_NODES:
        raise UsageError(
            f"{sum(most)} nodes exceed Vertex AI's limits: {POOL_NODES} per pool, {CLUSTER_NODES} per cluster.",
            "Reduce CPU_WORKERS, GPU_WORKERS or --autoscale.",
        )
    if options.bounds and not any(pool.bounds for pool in pools):
        raise UsageError("--autoscale: the cluster has no worker pool.", "Add one: CPU_WORKERS=1")
    if options.bounds and pools[0].bounds and options.bounds[0] < 1:
        raise UsageError(
            "--autoscale: the workers share the head's pool, which needs at least 1 node.",
            f"Use --autoscale 1:{options.bounds[1]}",
        )
    return pools


def totals(pools: tuple[PoolPlan, ...]) -> Totals:
    """The minimum and maximum totals for all pools."""

    def range_of(each: list[int]) -> tuple[int, int]:
        pairs = list(zip(pools, each, strict=True))
        return sum(p.node_range[0] * n for p, n in pairs), sum(p.node_range[1] * n for p, n in pairs)

    return Totals(
        range_of([1 for _ in pools]),
        range_of([pool.machine.cpus or 0 for pool in pools]),
        range_of([pool.machine.accelerator_count for pool in pools]),
        tuple(sorted({pool.machine.machine_type for pool in pools if pool.machine.cpus is None})),
    )
