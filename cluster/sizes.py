"""Node sizes that are not set: fitted to the machine when a cluster starts, and kept while it is up.

raydock/sizing.py divides up the machine. The resulting sizes are recorded in .raydock/started.json, so that nodes are
not restarted if the machine's CPUs or memory change later.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from types import MappingProxyType

from cluster.errors import TooSmall
from cluster.runtimes import Context
from cluster.state import started
from raydock import machine, sizing, topology
from raydock.machine import Machine
from raydock.sizing import NodeSizes, Sizes
from raydock.topology import Pool, Topology

# The pool and the field that each setting controls.
FIELDS = {
    "CPU_WORKERS": ("cpu-worker", "nodes"),
    "CPU_WORKER_CPUS": ("cpu-worker", "cpus"),
    "CPU_WORKER_MEMORY": ("cpu-worker", "memory"),
    "CPU_WORKER_SHM": ("cpu-worker", "shm"),
    "GPU_WORKERS": ("gpu-worker", "nodes"),
    "GPU_WORKER_CPUS": ("gpu-worker", "cpus"),
    "GPU_WORKER_MEMORY": ("gpu-worker", "memory"),
    "GPU_WORKER_SHM": ("gpu-worker", "shm"),
    "HEAD_MEMORY": ("head", "memory"),
    "HEAD_SHM": ("head", "shm"),
}
CLOUD = "LAB_MEMORY"
NOTHING: Mapping[str, str] = MappingProxyType({})
PAGE = "docs/cluster-sizes.md"
MORE = {
    "docker": "Give Docker more memory (Docker Desktop: Settings, Resources)",
    "processes": "Use a machine with more memory",
}


def of_running(context: Context) -> Context:
    """The context for a running cluster, with the sizes that were chosen when it was started."""
    return with_sizes(context, started.chosen(context.state))


def fitted(
    context: Context, runtime: str, exists: bool, wanted: Mapping[str, str] = NOTHING
) -> tuple[Context, str]:
    """The context with every size filled in, and a line that describes the sizes if the cluster is new.

    An existing cluster keeps the sizes that were chosen for it. One that was started with plain `docker compose` uses
    the sizes in compose.yaml. A new cluster gets the `wanted` sizes, if given. Raises TooSmall if a new cluster does
    not fit, and NoEngine if Docker does not respond.
    """
    kept = started.chosen(context.state) if exists else dict(wanted)
    if exists and not kept:
        return context, ""
    known = with_sizes(context, kept)
    given = values(known)
    if {*FIELDS, CLOUD} <= given.keys():
        return known, ""
    fit = Fit(runtime, of_engine(runtime), given, context.topology.others)
    if not given and fit.shortage:
        raise too_small(fit)
    complete = with_sizes(context, {**fit.sizes.settings(), **kept})
    return complete, "" if exists else sentence(fit, complete.chosen)


def of_engine(runtime: str) -> Machine:
    """The CPUs and memory that the runtime can divide among the nodes."""
    if runtime == "docker":
        engine = import_module("cluster.docker.engine").connect()
        with closing(engine.client):
            found: Machine = engine.machine()
            return found
    return machine.here()


def with_sizes(context: Context, chosen: Mapping[str, str]) -> Context:
    """The context, with the chosen sizes for settings that are not set."""
    free = {name: value for name, value in chosen.items() if not context.settings.get(name)}
    settings = {**context.settings, **free}
    return replace(context, chosen=free, topology=topology.load(context.root, settings))


def values(context: Context) -> dict[str, int]:
    """The sizes that are set or chosen, as numbers. Memory is in bytes."""
    pools = {pool.name: pool for pool in context.topology.pools}
    found = {name: int(getattr(pools[pool], field)) for name, (pool, field) in FIELDS.items()}
    found[CLOUD] = context.topology.cloud
    return {
        name: value for name, value in found.items() if context.settings.get(name) or name in context.chosen
    }


def of_compose(fixed: Topology) -> Sizes:
    """The sizes in compose.yaml, for clusters that must be the same on every machine."""
    cpu, gpu = (of_pool(fixed.pool(name)) for name in ("cpu-worker", "gpu-worker"))
    return Sizes(of_pool(fixed.head), cpu, gpu, fixed.cloud)


def of_pool(pool: Pool) -> NodeSizes:
    return NodeSizes(pool.nodes, pool.cpus, pool.memory, pool.shm)


@dataclass(frozen=True, slots=True)
class Fit:
    """A machine, the sizes that are set, and the resulting division of the machine."""

    runtime: str
    machine: Machine
    given: Mapping[str, int]
    others: int  # bytes for the services that COMPOSE_PROFILES enables

    @property
    def sizes(self) -> Sizes:
        return sizing.divide(self.machine, self.given, self.others)

    @property
    def shortage(self) -> int:
        return sizing.shortage(self.machine, self.sizes, self.others)

    @property
    def lacks_memory(self) -> bool:
        """Whether the workers could use more CPUs if the machine had more memory."""
        ample = replace(self.machine, memory=2**50)
        return sizing.divide(ample, self.given, self.others).cpus > self.sizes.cpus


def sentence(fit: Fit, chosen: Mapping[str, str]) -> str:
    """How much of the machine the cluster gets, and which settings change that."""
    sizes = fit.sizes
    nodes = [f"head {gib(sizes.head.memory)}"]
    for name, group in (("cpu-worker", sizes.cpu), ("gpu-worker", sizes.gpu)):
        if group.count:
            nodes.append(f"{group.count} {name} ({cpus(group.cpus)}, {gib(group.memory)})")
    found = "; ".join([", ".join(nodes), *warnings(fit)])
    names = [name for name in FIELDS if name in chosen and not name.endswith("_SHM")]
    change = f"To change this, set {', '.join(names)} in .env" if names else "All sizes are set in .env"
    return f"sized to {cpus(fit.machine.cpus)} and {gib(fit.machine.memory)}: {found}. {change}: {PAGE}"


def warnings(fit: Fit) -> list[str]:
    """Warnings if the settings offer more than the machine has, or if memory is too short to use every CPU."""
    found = []
    if fit.sizes.cpus > fit.machine.cpus:
        found.append(f"the workers offer {cpus(fit.sizes.cpus)}, more than the machine has")
    elif fit.lacks_memory:
        found.append(f"there is only enough memory for {cpus(fit.sizes.cpus)}")
    if fit.shortage:
        own = gib(sizing.reserve(fit.machine))
        found.append(f"the memory limits are {gib(fit.shortage)} too high: {own} is reserved for the engine")
    return found


def too_small(fit: Fit) -> TooSmall:
    needed = sizing.required(fit.sizes, fit.others)
    least = gib(-(-needed * 10 // sizing.GIB) * sizing.GIB // 10)  # rounded up, so that this much is enough
    services = f", including {gib(fit.others)} for the services in COMPOSE_PROFILES" if fit.others else ""
    return TooSmall(
        f"There is {gib(fit.machine.memory)} of memory, but the smallest cluster needs {least}{services}.",
        f"{MORE[fit.runtime]}, or set the sizes in .env: {PAGE}",
    )


def cpus(count: int) -> str:
    return f"{count} CPU" + "s" * (count != 1)


def gib(size: int) -> str:
    return f"{size / sizing.GIB:.1f} GiB"
