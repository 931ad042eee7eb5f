"""Machines from the x-vertex keys of compose.yaml, and the totals of a plan."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from cloud.controlplane.nodes.machine_types import MACHINES
from cluster.vertex_ai import plan_text
from raydock import topology
from raydock.errors import UsageError
from raydock.settings import ROOT
from raydock.topology import Pool
from vertex.location import Location
from vertex.spec import built_in_gpus, images, request
from vertex.spec.machine_types import PoolMachine, machine_of
from vertex.spec.options import ClusterOptions
from vertex.spec.plan import ClusterPlan, PoolPlan, Totals, plan_of, totals

T4 = {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2}


def pool(**vertex: object) -> Pool:
    return Pool("gpu-worker", "", 1, 1, 1, 0, 0, MappingProxyType(vertex))


NOTHING = ClusterOptions()


def plan(options: ClusterOptions = NOTHING, **settings: str) -> ClusterPlan:
    return plan_of(topology.load(ROOT, settings), "c", Location("p", "us-central1"), options)


def test_a_machine() -> None:
    assert machine_of(pool(**T4)) == PoolMachine("n1-standard-8", "NVIDIA_TESLA_T4", 2)
    big = machine_of(pool(machine_type="n1-standard-8", boot_disk_type="pd-standard", boot_disk_size_gb=500))
    assert (big.disk_type, big.disk_gb, big.gpus) == ("pd-standard", 500, "-")


@pytest.mark.parametrize(
    ("block", "message", "fix"),
    [
        (
            {"machine_typ": "n1-standard-8"},
            "compose.yaml: unknown key machine_typ in gpu-worker's x-vertex block.",
            "Did you mean machine_type?",
        ),
        (
            {},
            "compose.yaml: gpu-worker's x-vertex block: machine_type is missing.",
            "Expected: machine_type: n1-",
        ),
        (
            {"machine_type": 16},
            "compose.yaml: gpu-worker's x-vertex block: machine_type is 16.",
            "Expected: a string",
        ),
        (
            {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4"},
            "compose.yaml: gpu-worker's x-vertex block: accelerator_type and accelerator_count must be set together.",
            "Expected: both or neither",
        ),
        (
            {**T4, "accelerator_count": "2"},
            "compose.yaml: gpu-worker's x-vertex block: accelerator_count is '2'.",
            "Expected: an integer",
        ),
        (
            {**T4, "boot_disk_size_gb": 50},
            "compose.yaml: gpu-worker's x-vertex block: boot_disk_size_gb is 50.",
            "Expected: 100 to 64000 GB",
        ),
    ],
)
def test_invalid_machines(block: dict[str, object], message: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        machine_of(pool(**block))
    assert caught.value.message == message
    assert caught.value.fix.startswith(fix)


@pytest.mark.parametrize(
    ("name", "cpus"),
    [
        ("n1-standard-16", 16),
        ("n1-highmem-2", 2),
        ("a2-highgpu-4g", 48),
        ("a2-megagpu-16g", 96),
        ("a3-highgpu-8g", 208),
        ("a3-ultragpu-8g", 224),
        ("a4x-highgpu-4g", 140),
        ("g4-standard-384", 384),
        ("a9-newgpu-8g", None),
        ("custom", None),
    ],
)
def test_vcpus_from_the_machine_types_name(name: str, cpus: int | None) -> None:
    assert PoolMachine(name).cpus == cpus


def test_machines_with_built_in_gpus_have_what_the_labs_have() -> None:
    for name, known in MACHINES.items():
        assert built_in_gpus.gpus(name) == ((known.accelerator, known.count) if known.accelerator else None)
        assert built_in_gpus.vcpus(name) == known.cpus


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"accelerator_type": "NVIDIA_L4", "accelerator_count": 4},
        {"accelerator_type": "NVIDIA_GB200", "accelerator_count": 8},
    ],
)
def test_built_in_gpus_must_be_named(block: dict[str, object]) -> None:
    good = {"machine_type": "a4x-highgpu-4g", "accelerator_type": "NVIDIA_GB200", "accelerator_count": 4}
    assert machine_of(pool(**good)).gpus == "4 NVIDIA_GB200"
    with pytest.raises(UsageError) as caught:
        machine_of(pool(machine_type="a4x-highgpu-4g", **block))
    assert caught.value.message == (
        "compose.yaml: gpu-worker's x-vertex block: a4x-highgpu-4g has 4 built-in NVIDIA_GB200."
    )
    assert caught.value.fix == "Expected: accelerator_type: NVIDIA_GB200 and accelerator_count: 4"


def test_the_plan_warns_about_x86_images_on_arm() -> None:
    machine = PoolMachine("a4x-highgpu-4g", "NVIDIA_GB200", 4)
    google, own = (
        PoolPlan("worker-pool1", ("gpu-worker",), 1, machine, uri)
        for uri in (images.prebuilt("us-central1", True), "us-docker.pkg.dev/p/r/arm:1")
    )
    found = replace(plan(), pools=(*plan().pools, google))
    assert list(plan_text.notes(found)) == [
        "worker-pool1: a4x-highgpu-4g has Arm CPUs, but Google's Ray images are probably for x86 only. "
        "Use an Arm image: --image gpu-worker=URI"
    ]
    assert list(plan_text.notes(replace(found, pools=(*plan().pools, own)))) == []


G4 = {
    "machine_type": "g4-standard-96",
    "accelerator_type": "NVIDIA_RTX_PRO_6000",
    "accelerator_count": 2,
}


def test_machines_without_persistent_disks() -> None:
    assert machine_of(pool(**G4)).disk_type == "hyperdisk-balanced"
    assert machine_of(pool(machine_type="n1-standard-8")).disk_type == "pd-ssd"
    with pytest.raises(UsageError) as caught:
        machine_of(pool(**G4, boot_disk_type="pd-ssd"))
    assert caught.value.message == (
        "compose.yaml: gpu-worker's x-vertex block: boot_disk_type is pd-ssd, which g4-standard-96 does not support."
    )
    assert caught.value.fix == "Expected: hyperdisk-balanced"


def test_an_unknown_accelerator() -> None:
    with pytest.raises(UsageError) as caught:
        request.accelerator(request.types(), "NVIDIA_TESLA_T44")
    assert caught.value.message == "Vertex AI has no accelerator NVIDIA_TESLA_T44."
    assert caught.value.fix == "Did you mean NVIDIA_TESLA_T4? (compose.yaml, x-vertex)"


def test_empty_pools_are_left_out() -> None:
    assert [found.id for found in plan(CPU_WORKERS="0").pools] == ["head-node", "worker-pool1"]
    assert [found.id for found in plan(GPU_WORKERS="0").pools] == ["head-node"]
    alone = plan(CPU_WORKERS="0", GPU_WORKERS="0")
    assert (
        "There are no workers, and the head node runs no tasks, so no task would ever run."
        in plan_text.notes(alone)
    )


def test_totals() -> None:
    assert totals(plan().pools) == Totals((4, 4), (64, 64), (1, 1))
    assert totals(plan(ClusterOptions(bounds=(1, 4))).pools) == Totals((2, 8), (32, 128), (1, 4))
    assert totals(plan(CPU_WORKERS="7", GPU_WORKERS="3").pools) == Totals((11, 11), (176, 176), (3, 3))


def test_the_compose_projects_name_is_the_label() -> None:
    assert plan(ClusterOptions(labels={"team": "a"}), COMPOSE_PROJECT_NAME="mine").labels == {
        "raydock": "mine",
        "team": "a",
    }


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        (
            ClusterOptions(),
            {"CPU_WORKERS": "1000"},
            "1002 nodes exceed Vertex AI's limits: 1000 per pool, 2000 per cluster.",
        ),
        (
            ClusterOptions(bounds=(1, 4)),
            {"CPU_WORKERS": "0", "GPU_WORKERS": "0"},
            "--autoscale: the cluster has no worker pool.",
        ),
    ],
)
def test_invalid_plans(options: ClusterOptions, settings: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(options, **settings)
    assert caught.value.message == message


def test_the_plan_warns_about_a_peered_network() -> None:
    said = plan_text.plan(plan(ClusterOptions(network="projects/1/global/networks/n")), "agent")
    assert "network       projects/1/global/networks/n\n" in said
    assert said.endswith("In a peered network, the dashboard can't be reached from outside that network.")
