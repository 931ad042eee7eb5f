"""Machines from the x-vertex keys of compose.yaml, and the totals of a plan."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from cluster.vertex_ai import text
from raydock import topology
from raydock.errors import UsageError
from raydock.settings import ROOT
from raydock.topology import Pool
from vertex.location import Location
from vertex.spec import request
from vertex.spec.machine_types import PoolMachine, machine_of
from vertex.spec.options import ClusterOptions
from vertex.spec.plan import ClusterPlan, Totals, plan_of, totals

T4 = {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2}


def pool(**vertex: object) -> Pool:
    return Pool("gpu-worker", "", 1, 1, 1, 0, 0, MappingProxyType(vertex))


NOTHING = ClusterOptions()


def plan(options: ClusterOptions = NOTHING, **settings: str) -> ClusterPlan:
    return plan_of(topology.load(ROOT, settings), "c", Location("p", "us-central1"), options)


def test_a_machine() -> None:
    assert machine_of(pool(**T4)) == PoolMachine("n1-standard-8", "NVIDIA_TESLA_T4", 2)
    big = machine_of(pool(machine_type="n1-standard-8", boot_disk_type="pd-standard", boot_disk_size_gb=500))
    assert (big.disk, big.disk_gb, big.gpus) == ("pd-standard", 500, "-")


@pytest.mark.parametrize(
    ("told", "message", "fix"),
    [
        (
            {"machine_typ": "n1-standard-8"},
            "compose.yaml: unknown key machine_typ in x-vertex of gpu-worker.",
            "Did you mean machine_type?",
        ),
        (
            {},
            "compose.yaml: x-vertex of gpu-worker: machine_type is missing.",
            "Expected: machine_type: n1-",
        ),
        (
            {"machine_type": 16},
            "compose.yaml: x-vertex of gpu-worker: machine_type is 16.",
            "Expected: a string",
        ),
        (
            {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4"},
            "compose.yaml: x-vertex of gpu-worker: accelerator_type and accelerator_count must be set together.",
            "Expected: both or neither",
        ),
        (
            {**T4, "accelerator_count": "2"},
            "compose.yaml: x-vertex of gpu-worker: accelerator_count is '2'.",
            "Expected: an integer",
        ),
        (
            {**T4, "boot_disk_size_gb": 50},
            "compose.yaml: x-vertex of gpu-worker: boot_disk_size_gb is 50.",
            "Expected: 100 to 64000 GB",
        ),
    ],
)
def test_invalid_machines(told: dict[str, object], message: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        machine_of(pool(**told))
    assert caught.value.message == message
    assert caught.value.fix.startswith(fix)


def test_an_unknown_accelerator() -> None:
    with pytest.raises(UsageError) as caught:
        request.accelerator(request.types(), "NVIDIA_TESLA_T44")
    assert caught.value.message == "Vertex AI has no accelerator NVIDIA_TESLA_T44."
    assert caught.value.fix == "Did you mean NVIDIA_TESLA_T4? (compose.yaml, x-vertex)"


def test_empty_pools_are_left_out() -> None:
    assert [found.id for found in plan(CPU_WORKERS="0").pools] == ["head-node", "worker-pool1"]
    assert [found.id for found in plan(GPU_WORKERS="0").pools] == ["head-node"]
    alone = plan(CPU_WORKERS="0", GPU_WORKERS="0")
    assert "There are no workers, and the head node runs no tasks: no task would ever run." in text.notes(
        alone
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
            "1002 nodes exceed the limits of Vertex AI: 1000 per pool, 2000 per cluster.",
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
    said = text.plan(plan(ClusterOptions(network="projects/1/global/networks/n")), "agent")
    assert "network       projects/1/global/networks/n\n" in said
    assert said.endswith("In a peered network, the dashboard can't be reached from outside that network.")
