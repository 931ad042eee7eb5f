"""`up --like NAME`: the sizes of a local cluster with the shape of a managed one that `python -m iam import` read.

The numbers of nodes and GPUs are the managed cluster's. The CPUs and the memory of each node are fitted to the machine
as usual, with at most as many CPUs as the machine type has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster import sizes
from cluster.errors import TooSmall
from cluster.runtimes import Context
from iam.errors import IamError
from iam.lab import file as lab_file
from iam.lab.imported import LabCluster, LabPool
from iam.lab.settings import settings
from raydock.errors import UsageError
from raydock.terminal.commandline import near
from raydock.units import counted
from vertex.spec import built_in_gpus

DOWN = "python -m cluster down"


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of one kind: the number of nodes, and the CPUs and GPUs of each, 0 if unknown."""

    nodes: int
    cpus: int
    gpus: int


def chosen(name: str, context: Context, runtime: str, exists: bool) -> dict[str, str]:
    """The sizes for a cluster like NAME, keyed by setting. Settings of the user take precedence.

    Raises UsageError if a cluster already exists or the lab file has no such cluster, and TooSmall if it does not fit.
    """
    if exists:
        raise UsageError(
            f"--like {name} applies only to a new cluster, and one already exists.",
            f"Remove it first: {DOWN}",
        )
    found = cluster_named(name, context)
    cpu, gpu = workers(found)
    counts = {"CPU_WORKERS": cpu.nodes, "GPU_WORKERS": gpu.nodes}
    counts |= {"GPU_WORKER_GPUS": gpu.gpus} if gpu.nodes else {}
    wanted = {key: str(value) for key, value in counts.items() if not context.settings.get(key)}
    for key in counts.keys() - wanted.keys():
        context.say(f"{key} is set, so it is not taken from {name}")
    context.say(f"like {name} in {found.region or 'Vertex AI'}: {described(found)}")
    fit = fit_of(context, runtime, wanted)
    if fit.shortage:
        raise too_small(name, fit, cpu.nodes + gpu.nodes)
    limits = {"CPU_WORKER_CPUS": (fit.sizes.cpu.cpus, cpu), "GPU_WORKER_CPUS": (fit.sizes.gpu.cpus, gpu)}
    return wanted | {
        key: str(kind.cpus)
        for key, (cpus, kind) in limits.items()
        if kind.cpus and cpus > kind.cpus and not context.settings.get(key)
    }


def cluster_named(name: str, context: Context) -> LabCluster:
    """The cluster in the lab file. Raises UsageError."""
    try:
        path = settings(context.settings, context.root).file
        clusters = lab_file.read(path).clusters
    except IamError as fault:
        raise UsageError(fault.message, fault.fix) from None
    if name in clusters:
        return clusters[name]
    close = near(name, clusters)
    fix = f"python -m iam import --project PROJECT --cluster {name}, and set LAB_FILE to the file that it writes"
    raise UsageError(f"{path.name} has no cluster {name}.", f"Did you mean {close}?" if close else fix)


def workers(found: LabCluster) -> tuple[Workers, Workers]:
    """The CPU and the GPU workers. One node of the first pool is the head."""
    first, *others = found.pools
    pools = [(first, max(0, first.nodes - 1)), *((pool, pool.nodes) for pool in others)]
    return (
        of_kind([(pool, nodes) for pool, nodes in pools if nodes and not pool.accelerator_count]),
        of_kind([(pool, nodes) for pool, nodes in pools if nodes and pool.accelerator_count]),
    )


def of_kind(pools: Sequence[tuple[LabPool, int]]) -> Workers:
    """The workers in pools of one kind. The local cluster has one size for all: the smallest."""
    cpus = [built_in_gpus.vcpus(pool.machine_type) or 0 for pool, _ in pools]
    gpus = [pool.accelerator_count for pool, _ in pools]
    return Workers(sum(nodes for _, nodes in pools), min(cpus, default=0), min(gpus, default=0))


def described(found: LabCluster) -> str:
    """The pools in words."""
    return ", ".join(
        f"{counted(pool.nodes, 'node')} of {pool.machine_type}"
        + (f" with {pool.accelerator_count} {pool.accelerator_type}" if pool.accelerator_count else "")
        for pool in found.pools
    )


def fit_of(context: Context, runtime: str, wanted: Mapping[str, str]) -> sizes.Fit:
    """How the machine is divided if the cluster has the wanted sizes."""
    given = sizes.values(sizes.with_sizes(context, wanted))
    return sizes.Fit(runtime, sizes.of_engine(runtime), given, context.topology.others)


def too_small(name: str, fit: sizes.Fit, nodes: int) -> TooSmall:
    """The error for a machine without enough memory for that many workers."""
    has, more = sizes.gib(fit.machine.memory), sizes.gib(fit.shortage)
    return TooSmall(
        f"{name} has {counted(nodes, 'worker node')}; this machine's {has} of memory are {more} too few for that.",
        "Start fewer nodes: set CPU_WORKERS or GPU_WORKERS in .env, which take precedence over --like",
    )
