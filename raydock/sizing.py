"""Divides a machine into the nodes of a cluster. Pure: docs/cluster-sizes.md shows the result for common machines.

Explicit settings are kept, and the remaining resources are divided so that
- the workers, including the GPU worker, never offer more CPUs than the machine has;
- the memory limits of all services, plus a reserve for the engine, never exceed the machine's memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from raydock.machine import Machine

MIB = 2**20
GIB = 2**30
STEP = 16 * MIB
NOTHING: Mapping[str, int] = MappingProxyType({})

# For the engine, its kernel and everything else on the machine: a tenth of its memory, but at least this.
RESERVE = 384 * MIB
# The head: 950 to 1,016 MiB measured when idle, and 1,485 MiB while train_xgboost runs. With 1,280 MiB, Ray killed
# sklearn_joblib because memory ran out; with 1,664 MiB, train_xgboost. The maximum is enough for 56 jobs
# (cloud/gateway/job_limit.py).
HEAD = (2 * GIB, 8 * GIB)
# The lab's cloud: 59 MB measured while 5 GB are uploaded and downloaded.
CLOUD = (192 * MIB, GIB)
# A worker: its raylet and agents (230 MiB measured when idle), and for each CPU a job's process and its share of the
# object store. train_xgboost needs 472 MiB in total. The maximum matches n1-standard machines: 3.75 GB per vCPU.
NODE = 288 * MIB
CPU = (304 * MIB, 3840 * MIB)
MOST_CPUS = 16  # per worker; the equivalent on Vertex AI is n1-standard-16
MOST_WORKERS = 16  # if CPU_WORKER_CPUS is set and CPU_WORKERS is not


@dataclass(frozen=True, slots=True)
class NodeSizes:
    """Identical nodes. Memory and /dev/shm are per node, in bytes."""

    count: int
    cpus: int
    memory: int
    shm: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """One cluster on one machine."""

    head: NodeSizes
    cpu: NodeSizes
    gpu: NodeSizes
    cloud: int  # bytes

    @property
    def cpus(self) -> int:
        """CPUs that the workers offer."""
        return self.cpu.count * self.cpu.cpus + self.gpu.count * self.gpu.cpus

    @property
    def memory(self) -> int:
        """The sum of all memory limits, in bytes."""
        nodes = (self.head, self.cpu, self.gpu)
        return self.cloud + sum(found.count * found.memory for found in nodes)

    def settings(self) -> dict[str, str]:
        """The settings that compose.yaml reads."""
        sizes = {
            "HEAD_MEMORY": self.head.memory,
            "HEAD_SHM": self.head.shm,
            "CPU_WORKER_MEMORY": self.cpu.memory,
            "CPU_WORKER_SHM": self.cpu.shm,
            "GPU_WORKER_MEMORY": self.gpu.memory,
            "GPU_WORKER_SHM": self.gpu.shm,
            "LAB_MEMORY": self.cloud,
        }
        counts = {
            "CPU_WORKERS": self.cpu.count,
            "CPU_WORKER_CPUS": self.cpu.cpus,
            "GPU_WORKERS": self.gpu.count,
            "GPU_WORKER_CPUS": self.gpu.cpus,
        }
        return {name: str(count) for name, count in counts.items()} | {
            name: f"{size // MIB}m" for name, size in sizes.items()
        }


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of workers, and the CPUs per worker."""

    cpu: int
    cpu_cpus: int
    gpu: int
    gpu_cpus: int

    @property
    def cpus(self) -> int:
        """CPUs of all workers."""
        return self.cpu * self.cpu_cpus + self.gpu * self.gpu_cpus


def divide(machine: Machine, given: Mapping[str, int] = NOTHING, others: int = 0) -> Sizes:
    """The cluster for this machine. `given`: explicit settings, keyed by name; `others`: bytes for other services.

    If even the smallest cluster does not fit, returns that one: see `shortage`.
    """
    spare = machine.memory - reserve(machine) - others
    cloud = given.get("LAB_MEMORY", within(spare // 16, CLOUD))
    head = given.get("HEAD_MEMORY", within(spare // 5, HEAD))
    rest = spare - cloud - head
    fitting = (found for found in layouts(machine.cpus, given) if needed(found, given) <= rest)
    layout = next(fitting, None) or least(given)
    return Sizes(
        head=NodeSizes(1, 0, head, given.get("HEAD_SHM", shm(head))),
        cpu=nodes("CPU", layout.cpu, layout.cpu_cpus, each_cpu(layout, rest, given), given),
        gpu=nodes("GPU", layout.gpu, layout.gpu_cpus, each_cpu(layout, rest, given), given),
        cloud=cloud,
    )


def shortage(machine: Machine, sizes: Sizes, others: int = 0) -> int:
    """Bytes by which the limits and the reserve exceed the machine's memory; 0 if they fit."""
    return max(0, sizes.memory + others + reserve(machine) - machine.memory)


def required(sizes: Sizes, others: int = 0) -> int:
    """The memory, in bytes, of the smallest machine on which these limits fit."""
    limits = sizes.memory + others
    return max(limits + RESERVE, -(-limits * 10 // 9))


def reserve(machine: Machine) -> int:
    """Bytes reserved for the machine itself: a tenth, but at least RESERVE."""
    return max(RESERVE, machine.memory // 10)


def layouts(cpus: int, given: Mapping[str, int]) -> Iterator[Layout]:
    """Every layout with at most `cpus` CPUs, the best first.

    A GPU worker is preferred to a second CPU worker, which is preferred to more CPUs.
    """
    for gpus in (given["GPU_WORKERS"],) if "GPU_WORKERS" in given else (1, 0):
        for several in (True, False):
            for total in range(cpus, -1, -1):
                for workers in counts(total - gpus * given.get("GPU_WORKER_CPUS", 1), several, given):
                    if found := layout(total, workers, gpus, given):
                        yield found


def counts(free: int, several: bool, given: Mapping[str, int]) -> Iterator[int]:
    """The numbers of CPU workers to try for `free` CPUs: up to three with 1 CPU, or two or more with up to 16."""
    if "CPU_WORKERS" in given:
        yield given["CPU_WORKERS"]
    elif not several:
        yield 1
    elif each := given.get("CPU_WORKER_CPUS"):
        yield from range(min(free // each, MOST_WORKERS), 1, -1)
    else:
        yield from range(free if free <= 3 else max(2, -(-free // MOST_CPUS)), 1, -1)


def layout(total: int, workers: int, gpus: int, given: Mapping[str, int]) -> Layout | None:
    """The layout with at most `total` CPUs; None if a worker has no CPU, or a GPU worker more than a CPU worker."""
    free = total - gpus * given.get("GPU_WORKER_CPUS", 1)
    cpus = given.get("CPU_WORKER_CPUS", max(0, free) // workers if workers else 1)
    if "CPU_WORKERS" not in given and "CPU_WORKER_CPUS" not in given:
        cpus = min(cpus, MOST_CPUS)
    left = total - workers * cpus
    gpu_cpus = given.get("GPU_WORKER_CPUS", left // gpus if gpus else 1)
    found = Layout(workers, cpus, gpus, gpu_cpus)
    if "CPU_WORKER_CPUS" not in given and cpus < 1:
        return None
    most = total if "CPU_WORKERS" in given and "CPU_WORKER_CPUS" not in given else max(1, cpus)
    if "GPU_WORKER_CPUS" not in given and not 1 <= gpu_cpus <= most:
        return None
    return found if found.cpus <= total else None


def least(given: Mapping[str, int]) -> Layout:
    """The smallest layout: one CPU worker with one CPU, unless the settings differ."""
    return Layout(
        given.get("CPU_WORKERS", 1),
        given.get("CPU_WORKER_CPUS", 1),
        given.get("GPU_WORKERS", 0),
        given.get("GPU_WORKER_CPUS", 1),
    )


def needed(layout: Layout, given: Mapping[str, int]) -> int:
    """The minimum memory for all workers, in bytes."""
    return sum(
        count * given.get(f"{kind}_WORKER_MEMORY", NODE + max(1, cpus) * CPU[0])
        for kind, count, cpus in kinds(layout)
    )


def each_cpu(layout: Layout, rest: int, given: Mapping[str, int]) -> int:
    """Bytes per CPU for the workers whose memory is not set, in addition to NODE per worker."""
    fixed = sum(count * given.get(f"{kind}_WORKER_MEMORY", NODE) for kind, count, _ in kinds(layout))
    cpus = sum(
        count * max(1, cpus) for kind, count, cpus in kinds(layout) if f"{kind}_WORKER_MEMORY" not in given
    )
    return min(max((rest - fixed) // max(1, cpus), CPU[0]), CPU[1])


def kinds(layout: Layout) -> Iterator[tuple[str, int, int]]:
    """Each kind of worker, with their number and the CPUs per worker."""
    yield "CPU", layout.cpu, layout.cpu_cpus
    yield "GPU", layout.gpu, layout.gpu_cpus


def nodes(kind: str, count: int, cpus: int, each: int, given: Mapping[str, int]) -> NodeSizes:
    """The workers of one kind, with `each` bytes per CPU."""
    memory = given.get(f"{kind}_WORKER_MEMORY", rounded(NODE + max(1, cpus) * each))
    return NodeSizes(count, cpus, memory, given.get(f"{kind}_WORKER_SHM", shm(memory)))


def shm(memory: int) -> int:
    """Bytes of /dev/shm, which holds the object store: 30% of the memory, Ray's default."""
    return memory * 3 // 10 // MIB * MIB


def within(size: int, limits: tuple[int, int]) -> int:
    """The size, clamped to the limits and rounded."""
    return rounded(min(max(size, limits[0]), limits[1]))


def rounded(size: int) -> int:
    """The size, rounded down to a multiple of STEP."""
    return size // STEP * STEP
