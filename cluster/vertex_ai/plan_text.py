"""Formats a plan: what `up` will create, and what the user should know before that."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.targets.columns import WIDTH, fields, grid
from cluster.vertex_ai.cluster_text import versions_of
from raydock import versions
from raydock.terminal.layout import wrap
from vertex.spec import built_in_gpus, images
from vertex.spec.plan import ClusterPlan, totals


def plan(found: ClusterPlan, agent: str) -> str:
    """What will be created, which account jobs will run as, and the billing. `agent` is the default account."""
    head = [("POOL", "FROM", "NODES", "MACHINE", "ACCELERATORS")]
    pools = [
        (pool.id, ", ".join(pool.services), pool.count, pool.machine.machine_type, pool.machine.gpus)
        for pool in found.pools
    ]
    pool_images = "\n".join(f"  {pool.id:<12}  {pool.image}" for pool in found.pools)
    return "\n".join(
        [
            f"Cluster {found.cluster} in {found.location.project}, {found.location.region}:",
            "",
            grid([*head, *pools]),
            "",
            fields(
                [
                    ("total", total(found)),
                    ("disks", disks(found)),
                    ("Ray", plan_versions(found)),
                    ("jobs run as", found.account or agent),
                    (
                        "network",
                        found.network or "none; with a token, the dashboard can be reached from anywhere",
                    ),
                    ("labels", ", ".join(f"{key}={value}" for key, value in found.labels.items())),
                    ("autoscaling", autoscaling(found)),
                ]
            ),
            "images",
            pool_images,
            "",
            "You are billed from RUNNING until you delete it. Vertex AI has no idle shutdown.",
            "This plan shows no prices. Starting takes 10 to 20 minutes.",
            *(line for note in notes(found) for line in wrap(note, WIDTH)),
        ]
    )


def plan_versions(found: ClusterPlan) -> str:
    """The versions in the prebuilt images. Those in custom images are unknown."""
    if all(images.is_prebuilt(pool.image) for pool in found.pools):
        return versions_of(versions.RAY_MINOR, versions.PYTHON)
    return "unknown (custom images)"


def total(found: ClusterPlan) -> str:
    """The numbers of nodes, vCPUs and GPUs in all pools."""
    sums = totals(found.pools)
    cpus = between(sums.cpus) + (f" plus those of {', '.join(sums.unknown)}" if sums.unknown else "")
    head = found.pools[0].machine.cpus
    unused = f"; the head's {head} vCPUs run no tasks" if head else ""
    return f"{count(between(sums.nodes), 'node')}, {cpus} vCPUs, {count(between(sums.gpus), 'GPU')}{unused}"


def between(pair: tuple[int, int]) -> str:
    """The range as "2 to 4", or "2" if both ends are equal."""
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]} to {pair[1]}"


def count(number: object, noun: str) -> str:
    """The number with its noun, which is plural unless the number is 1."""
    return f"{number} {noun}" if str(number) == "1" else f"{number} {noun}s"


def disks(found: ClusterPlan) -> str:
    """The boot disk per node, listed per pool if the pools differ."""
    each = [f"{pool.machine.disk_type}, {pool.machine.disk_gb} GB" for pool in found.pools]
    if len(set(each)) == 1:
        return f"{each[0]} per node"
    return "; ".join(f"{pool.id}: {disk}" for pool, disk in zip(found.pools, each, strict=True))


def autoscaling(found: ClusterPlan) -> str:
    """The bounds of each pool that autoscales."""
    pools = [f"{pool.id} from {pool.bounds[0]} to {pool.bounds[1]}" for pool in found.pools if pool.bounds]
    return f"{', '.join(pools)} nodes" if pools else "none; resize with `scale`"


def notes(found: ClusterPlan) -> Iterator[str]:
    """Warnings about the plan. Each is one or two sentences."""
    google = [pool for pool in found.pools if images.is_prebuilt(pool.image)]
    if google and (ending := versions.support_warning(versions.RAY_MINOR)):
        yield ending
    for pool in google:
        if built_in_gpus.has_arm(pool.machine.machine_type):
            yield (
                f"{pool.id}: {pool.machine.machine_type} has Arm CPUs, but Google's Ray images are probably for "
                f"x86 only. Use an Arm image: --image {pool.services[0]}=URI"
            )
    if found.network:
        yield "In a peered network, the dashboard can't be reached from outside that network."
    if len(found.pools) == 1 and found.pools[0].node_range[1] == 1:
        yield "There are no workers, and the head node runs no tasks, so no task would ever run."
