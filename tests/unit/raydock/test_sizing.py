"""How a machine is divided into a cluster: what holds on every machine, and the exact sizes on some."""

from __future__ import annotations

from itertools import product

import pytest

from raydock import sizing, units
from raydock.machine import Machine
from raydock.sizing import GIB, MIB, Layout, Sizes, divide, reserve, shortage

CORES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 64, 96)
# The least that is enough, machines sold as 4, 8 and 16 GB, Docker Desktop's virtual machines, and whole ones.
MEMORY = (3.2, 3.75, 4, 5, 7.65, 8, 11.7, 15.6, 31.3, 64, 128, 256)
MACHINES = [Machine(cores, int(memory * GIB)) for cores, memory in product(CORES, MEMORY)]


def name(machine: Machine) -> str:
    return f"{machine.cpus}x{machine.memory / GIB:.4g}"


def test_there_are_enough_machines() -> None:
    assert len(MACHINES) >= 40


def test_nothing_is_promised_that_is_not_there() -> None:
    for machine in MACHINES:
        found = divide(machine)
        assert 1 <= found.cpus <= machine.cpus
        assert found.memory + reserve(machine) <= machine.memory
        assert shortage(machine, found) == 0


def test_every_node_has_what_it_needs() -> None:
    for machine in MACHINES:
        found = divide(machine)
        assert found.head.memory >= 2 * GIB
        assert found.cloud >= 192 * MIB
        assert found.cpu.count >= 1
        for group in (found.cpu, found.gpu):
            assert 1 <= group.cpus <= 16
            assert group.memory >= (288 + 304 * group.cpus) * MIB
        for group in (found.head, found.cpu, found.gpu):
            assert 0.29 * group.memory < group.shm <= 0.3 * group.memory, (
                "Ray takes 30 % for its object store"
            )
            assert group.memory % (16 * MIB) == group.shm % MIB == 0, (
                "Docker's units hold it without a fraction"
            )


def test_the_gpu_worker_is_there_and_never_the_largest() -> None:
    for machine in MACHINES:
        found = divide(machine)
        enough = machine.cpus >= 2 and machine.memory >= int(3.75 * GIB)
        assert found.gpu.count == enough
        assert found.gpu.cpus <= found.cpu.cpus


def test_where_memory_suffices_every_cpu_is_promised_by_at_least_two_workers() -> None:
    for machine in MACHINES:
        if machine.memory < 3.75 * GIB + machine.cpus * GIB:
            continue
        found = divide(machine)
        assert found.cpus == machine.cpus
        assert found.cpu.count + found.gpu.count >= min(3, machine.cpus)
        assert found.cpu.count <= max(3, machine.cpus // 14), "no more nodes than their CPUs need"


def test_more_of_anything_is_never_less() -> None:
    for machine in MACHINES:
        found = divide(machine)
        for larger in (
            Machine(machine.cpus + 1, machine.memory),
            Machine(machine.cpus, machine.memory + GIB),
            Machine(machine.cpus * 2, machine.memory * 2),
        ):
            assert divide(larger).gpu.count >= found.gpu.count
            assert divide(larger).head.memory >= found.head.memory
        assert divide(Machine(machine.cpus * 2, machine.memory * 2)).cpus >= found.cpus


GIVEN: list[dict[str, int]] = [
    {"CPU_WORKERS": 0, "GPU_WORKERS": 0},
    {"CPU_WORKERS": 0},
    {"CPU_WORKERS": 1},
    {"CPU_WORKERS": 2},
    {"CPU_WORKERS": 2, "GPU_WORKERS": 0},
    {"CPU_WORKERS": 6},
    {"CPU_WORKER_CPUS": 1},
    {"CPU_WORKER_CPUS": 4},
    {"CPU_WORKERS": 2, "CPU_WORKER_CPUS": 2},
    {"GPU_WORKERS": 0},
    {"GPU_WORKERS": 2},
    {"GPU_WORKER_CPUS": 0},
    {"GPU_WORKER_CPUS": 2},
    {"HEAD_MEMORY": 2 * GIB},
    {"HEAD_MEMORY": 20 * GIB, "HEAD_SHM": GIB},
    {"CPU_WORKER_MEMORY": 2 * GIB},
    {"CPU_WORKER_MEMORY": GIB + 1, "GPU_WORKER_MEMORY": GIB, "CPU_WORKER_SHM": 64 * MIB},
    {"LAB_MEMORY": 512 * MIB},
]


def values(found: Sizes) -> dict[str, int]:
    read = found.settings()
    return {name: units.size(text) for name, text in read.items()}


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: ",".join(f"{k}={v}" for k, v in given.items()))
def test_what_is_set_stays_and_the_rest_is_divided_after_it(given: dict[str, int]) -> None:
    """On every machine. Less than there is remains only where the settings leave nothing."""
    for machine in MACHINES:
        found = divide(machine, given)
        for setting, value in given.items():
            unit = MIB if setting.endswith(("MEMORY", "SHM")) else 1
            assert values(found)[setting] == value // unit * unit
        assert found.cpu.cpus >= 1
        least = sizing.least(given)
        if least.cpus <= machine.cpus:
            assert found.cpus <= machine.cpus, name(machine)
        if shortage(machine, found):  # then it is the least that these settings allow
            assert found.cpu.count * found.cpu.cpus <= max(1, least.cpu * least.cpu_cpus), name(machine)
            assert not shortage(machine, found) or found.gpu.count == least.gpu


def test_services_beside_the_cluster_are_counted() -> None:
    machine = Machine(8, 16 * GIB)
    found = divide(machine, others=4 * GIB)
    assert found.memory + 4 * GIB + reserve(machine) <= machine.memory
    assert found.cpus == 8


@pytest.mark.parametrize(
    ("cores", "gib", "missing"), [(2, 3, 144), (64, 2, 1168), (1, 1, 2192), (2, 3.15, 0), (64, 3.15, 0)]
)
def test_below_the_least_it_tells_how_much_is_missing(cores: int, gib: float, missing: int) -> None:
    machine = Machine(cores, int(gib * GIB))
    found = divide(machine)
    assert -(-shortage(machine, found) // MIB) == missing
    assert (found.cpu.count, found.cpu.cpus, found.gpu.count) == (1, 1, 0)


def row(cores: int, gib: float, **given: int) -> tuple[object, ...]:
    """Workers as count, CPUs and MiB."""
    found = divide(Machine(cores, int(gib * GIB)), given)
    groups = [(group.count, group.cpus, group.memory // MIB) for group in (found.cpu, found.gpu)]
    return (found.head.memory // MIB, *groups, found.cloud // MIB)


@pytest.mark.parametrize(
    ("cores", "gib", "head", "cpu", "gpu", "cloud"),
    [
        (1, 4, 2048, (1, 1, 1408), (0, 1, 1408), 224),
        (2, 3.8, 2048, (1, 1, 608), (1, 1, 608), 208),
        (2, 4, 2048, (1, 1, 704), (1, 1, 704), 224),
        (2, 8, 2048, (1, 1, 2432), (1, 1, 2432), 448),
        (4, 4, 2048, (1, 1, 704), (1, 1, 704), 224),
        (4, 16, 2944, (3, 1, 2720), (1, 1, 2720), 912),
        (8, 7.65, 2048, (2, 3, 1664), (1, 2, 1200), 432),
        (8, 16, 2944, (2, 3, 4032), (1, 2, 2784), 912),
        (8, 32, 5888, (2, 3, 8416), (1, 2, 5712), 1024),
        (16, 64, 8192, (2, 7, 21680), (1, 2, 6400), 1024),
        (64, 256, 8192, (4, 15, 53072), (1, 4, 14352), 1024),
    ],
)
def test_exact_sizes(
    cores: int, gib: float, head: int, cpu: tuple[int, ...], gpu: tuple[int, ...], cloud: int
) -> None:
    assert row(cores, gib) == (head, cpu, gpu, cloud)


@pytest.mark.parametrize(
    ("cores", "given", "cpu", "gpu"),
    [
        (8, {"CPU_WORKERS": 4}, (4, 1), (1, 4)),
        (8, {"CPU_WORKERS": 1}, (1, 7), (1, 1)),
        (8, {"CPU_WORKER_CPUS": 2}, (3, 2), (1, 2)),
        (8, {"GPU_WORKERS": 0}, (2, 4), (0, 1)),
        (8, {"GPU_WORKER_CPUS": 4}, (2, 2), (1, 4)),
        (8, {"CPU_WORKERS": 2, "CPU_WORKER_CPUS": 1}, (2, 1), (1, 1)),
        (2, {"CPU_WORKERS": 2}, (2, 1), (0, 1)),
        (2, {"CPU_WORKERS": 2, "GPU_WORKERS": 1}, (2, 1), (1, 1)),
        (64, {"CPU_WORKER_CPUS": 1}, (16, 1), (1, 1)),
    ],
)
def test_exact_layouts_with_settings(
    cores: int, given: dict[str, int], cpu: tuple[int, int], gpu: tuple[int, int]
) -> None:
    found = divide(Machine(cores, 64 * GIB), given)
    assert ((found.cpu.count, found.cpu.cpus), (found.gpu.count, found.gpu.cpus)) == (cpu, gpu)


def test_a_layout_counts_its_cpus() -> None:
    assert Layout(2, 3, 1, 2).cpus == 8
