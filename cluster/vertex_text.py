"""Formats a plan, a list of clusters, one cluster and a comparison. All fit 80 columns with typical names."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from raydock.terminal.layout import clip, table, wrap
from vertex.cluster import Cluster, ResourcePool
from vertex.cluster_info import ClusterSummary
from vertex.cluster_options import span
from vertex.diff import Difference
from vertex.location import Location
from vertex.plan import LABEL, ClusterPlan, totals

WIDTH = 80


def grid(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned columns."""
    return "\n".join(table(lines))


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns. Long values are wrapped, but words such as addresses are never broken."""
    return "\n".join(line for name, value in pairs for line in wrap(value, WIDTH, f"{name:<12}  "))


def plan(found: ClusterPlan, agent: str) -> str:
    """What will be created, who its jobs will run as, and how it bills. `agent` is the default service account."""
    head = [("POOL", "FROM", "NODES", "MACHINE", "ACCELERATORS")]
    pools = [
        (pool.id, ", ".join(pool.services), pool.count, pool.machine.type, pool.machine.gpus)
        for pool in found.pools
    ]
    images = "\n".join(f"  {pool.id:<12}  {pool.image}" for pool in found.pools)
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
                    ("jobs run as", found.account or agent),
                    (
                        "network",
                        found.network or "none; the dashboard is reachable from anywhere with a token",
                    ),
                    ("labels", ", ".join(f"{key}={value}" for key, value in found.labels.items())),
                    ("autoscaling", autoscaling(found)),
                ]
            ),
            "images",
            images,
            "",
            "It bills from RUNNING until you delete it: Vertex AI has no idle shutdown.",
            "This plan shows no prices. Starting takes 10 to 20 minutes.",
            *notes(found),
        ]
    )


def total(found: ClusterPlan) -> str:
    """The numbers of nodes, vCPUs and GPUs in all pools."""
    sums = totals(found.pools)
    cpus = between(sums.cpus) + (f" and those of {', '.join(sums.unknown)}" if sums.unknown else "")
    head = found.pools[0].machine.cpus
    unused = f"; the head's {head} run no tasks" if head else ""
    return f"{count(between(sums.nodes), 'node')}, {cpus} vCPUs, {count(between(sums.gpus), 'GPU')}{unused}"


def between(pair: tuple[int, int]) -> str:
    """The range as "2 to 4", or "2" if both ends are equal."""
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]} to {pair[1]}"


def count(number: object, noun: str) -> str:
    """The number with its noun, in the plural unless it is 1."""
    return f"{number} {noun}" if str(number) == "1" else f"{number} {noun}s"


def disks(found: ClusterPlan) -> str:
    """The boot disk per node, listed by pool if the pools differ."""
    each = [f"{pool.machine.disk}, {pool.machine.disk_gb} GB" for pool in found.pools]
    if len(set(each)) == 1:
        return f"{each[0]} per node"
    return "; ".join(f"{pool.id}: {disk}" for pool, disk in zip(found.pools, each, strict=True))


def autoscaling(found: ClusterPlan) -> str:
    """The bounds of the pools that autoscale."""
    pools = [f"{pool.id} from {pool.bounds[0]} to {pool.bounds[1]}" for pool in found.pools if pool.bounds]
    return f"{', '.join(pools)} nodes" if pools else "none; resize with `scale`"


def notes(found: ClusterPlan) -> list[str]:
    """Warnings about the plan."""
    warnings = []
    if found.network:
        warnings.append("In a peered network, the dashboard can't be reached from outside that network.")
    if len(found.pools) == 1 and found.pools[0].range[1] == 1:
        warnings.append("There are no workers, and the head node runs no tasks: no task would ever run.")
    return warnings


def clusters(found: Sequence[Cluster], now: float | None = None) -> str:
    """A table of clusters. Those created by raydock have a star. `now` is in seconds since 1970."""
    now = time.time() if now is None else now
    lines = [("NAME", "STATE", "RAY", "PYTHON", "NODES", "JOBS RUN AS", "AGE")]
    for one in found:
        star = " *" if LABEL in one.labels else ""
        nodes = sum(pool.nodes for pool in one.pools)
        lines.append(
            (
                one.id + star,
                one.state,
                one.ray or "?",
                one.python or "?",
                str(nodes),
                clip(one.account.partition("@")[0] or "service agent", 16),
                span(now - one.created) if one.created else "?",
            )
        )
    text = grid(lines)
    return text + "\n\n* created by raydock" if any(LABEL in one.labels for one in found) else text


def cluster(found: Cluster, now: float | None = None) -> str:
    """One cluster in detail. `now` is in seconds since 1970."""
    now = time.time() if now is None else now
    pairs = [
        ("cluster", found.id),
        ("location", found.name.partition("/persistentResources/")[0]),
        ("state", f"{found.state}{f': {found.error}' if found.error else ''}"),
        ("age", f"{span(now - found.created)}" if found.created else "?"),
        ("Ray", f"{found.ray}, Python {found.python}" if found.ray else "a custom image"),
        ("jobs run as", found.principal.removeprefix("serviceAccount:")),
        ("dashboard", dashboard(found)),
        ("network", found.network or "none"),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(found.labels.items())) or "none"),
    ]
    head = [("POOL", "NODES", "MACHINE", "ACCELERATORS")]
    rows = [(pool.id, nodes(pool), pool.machine_type, accelerators(pool)) for pool in found.pools]
    images = "\n".join(f"  {pool.id:<12}  {pool.image}" for pool in found.pools)
    return "\n".join([fields(pairs), "images", images, "", grid([*head, *rows])])


def dashboard(found: Cluster) -> str:
    """The dashboard's address, which needs a token. In a browser, open it from Google's console."""
    if not found.dashboard:
        return "none"
    return found.dashboard if "://" in found.dashboard else f"https://{found.dashboard}"


def nodes(pool: ResourcePool) -> str:
    """The number of nodes, with the bounds if the pool autoscales."""
    return f"{pool.nodes} ({pool.least}-{pool.most})" if pool.most else str(pool.nodes)


def accelerators(pool: ResourcePool) -> str:
    """The accelerators per node, or "-"."""
    return f"{pool.accelerator_count} {pool.accelerator_type}" if pool.accelerator_count else "-"


def as_json(location: Location, found: Sequence[Cluster]) -> Mapping[str, object]:
    """The value that `status --json` prints. Times are in seconds since 1970."""
    each = [
        {
            "id": one.id,
            **asdict(one),
            "principal": one.principal,
            "ray": one.ray,
            "python": one.python,
            "ours": LABEL in one.labels,
        }
        for one in found
    ]
    return {
        "version": 1,
        "kind": "vertex",
        "project": location.project,
        "region": location.region,
        "clusters": each,
    }


def comparison(rows: Sequence[Difference], local: ClusterSummary, vertex: ClusterSummary) -> str:
    """The differences as a table with a wrapped last column, then who jobs run as, which is too long for a column."""
    head = Difference("", "LOCAL", "VERTEX", "MATTERS")
    cells = [
        (clip(row.what, 20), clip(row.local, 16), clip(row.vertex, 16), row.matters) for row in [head, *rows]
    ]
    lines = table(cells, WIDTH)
    same = local.principal == vertex.principal
    matters = "no: the same" if same else "yes: each needs its own grants on the buckets"
    matters = matters if local.principal else "perhaps: the local cluster does not say"
    return "\n".join(
        [
            *lines,
            "",
            "Jobs run as",
            f"  local   {local.principal.removeprefix('serviceAccount:') or 'unknown'}",
            f"  vertex  {vertex.principal.removeprefix('serviceAccount:')}",
            f"  matters {matters}",
        ]
    )
