"""compose.yaml as values."""

from __future__ import annotations

import pytest

from raydock import topology
from raydock.errors import UsageError
from raydock.settings import ROOT

GIB = 2**30


def load(**settings: str) -> topology.Topology:
    return topology.load(ROOT, settings)


def test_the_default_topology() -> None:
    shape = load()
    assert [(pool.name, pool.nodes, pool.cpus, pool.gpus) for pool in shape.pools] == [
        ("head", 1, 0, 0),
        ("cpu-worker", 2, 1, 0),
        ("gpu-worker", 1, 1, 1),
    ]
    assert {pool.memory for pool in shape.pools} == {3 * GIB}
    assert {pool.shm for pool in shape.pools} == {900 * 2**20}
    assert (shape.project, shape.port, shape.dashboard) == ("raydock", 8265, "http://127.0.0.1:8265")
    assert shape.head.name == "head"
    assert [pool.name for pool in shape.workers] == ["cpu-worker", "gpu-worker"]


def test_every_pool_has_a_machine_type_for_vertex_ai() -> None:
    assert load().pool("gpu-worker").vertex["accelerator_count"] == 1
    assert all("machine_type" in pool.vertex for pool in load().pools)


def test_settings_change_the_topology() -> None:
    shape = load(
        CPU_WORKERS="5", CPU_WORKER_CPUS="4", CPU_WORKER_MEMORY="1.5g", CPU_WORKER_SHM="512m",
        GPU_WORKER_GPUS="2", GPU_WORKERS="0", RAYDOCK_PORT="9000", COMPOSE_PROJECT_NAME="other",
        RAYDOCK_IMAGE_PREFIX="here", BASE_IMAGE="mine:1",
    )  # fmt: skip
    worker = shape.pool("cpu-worker")
    assert (worker.nodes, worker.cpus, worker.memory, worker.shm) == (5, 4, 3 * GIB // 2, GIB // 2)
    assert worker.image.startswith("here/cpu-worker:")
    assert (shape.pool("gpu-worker").nodes, shape.pool("gpu-worker").gpus) == (0, 2)
    assert (shape.port, shape.project, shape.base_image) == (9000, "other", "mine:1")


CHANGE = "\n  Change {} in the environment or in .env; .env.example shows the default."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "CPU_WORKERS",
            "two",
            "CPU_WORKERS=two: the number of cpu-worker nodes must be a whole number from 0 to 9999.",
        ),
        (
            "GPU_WORKERS",
            "-1",
            "GPU_WORKERS=-1: the number of gpu-worker nodes must be a whole number from 0 to 9999.",
        ),
        (
            "CPU_WORKER_CPUS",
            "1.5",
            "CPU_WORKER_CPUS=1.5: the number of CPUs per cpu-worker must be a whole number from 0 to 9999.",
        ),
        (
            "CPU_WORKER_MEMORY",
            "lots",
            "CPU_WORKER_MEMORY=lots: the memory of cpu-worker must be a size such as 900m or 3g.",
        ),
        ("HEAD_SHM", "9x", "HEAD_SHM=9x: the shared memory of head must be a size such as 900m or 3g."),
        ("RAYDOCK_PORT", "http", "RAYDOCK_PORT=http: the dashboard's port must be a number from 1 to 65535."),
        (
            "RAYDOCK_PORT",
            "65536",
            "RAYDOCK_PORT=65536: the dashboard's port must be a number from 1 to 65535.",
        ),
        ("GPU_BUILD", "rocm", "GPU_BUILD=rocm: the GPU worker's build must be cpu or cuda."),
        (
            "COMPOSE_PROJECT_NAME",
            "My Lab",
            "COMPOSE_PROJECT_NAME=My Lab: the project name must be made of lowercase letters, "
            "digits, - and _.",
        ),
    ],
)
def test_an_invalid_setting_is_named(name: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(**{name: value})
    assert f"{caught.value.message}\n  {caught.value.fix}" == sentence + CHANGE.format(name)


POOLS = "\n  Worker pools: cpu-worker, gpu-worker. Example: python -m cluster scale cpu-worker=3"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("head", "The head is always one node; it can't be scaled."),
        ("cpu-wrker", "There is no worker pool cpu-wrker. Did you mean cpu-worker?"),
        ("tpu", "There is no worker pool tpu."),
    ],
)
def test_an_unknown_pool(name: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load().pool(name)
    assert f"{caught.value.message}\n  {caught.value.fix}" == sentence + POOLS


@pytest.mark.parametrize(
    ("text", "number"),
    [("900m", 900 * 2**20), ("3g", 3 * GIB), ("1.5gb", 3 * GIB // 2), ("2GiB", 2 * GIB), ("1024", 1024), ("5k", 5120)],
)  # fmt: skip
def test_size(text: str, number: int) -> None:
    assert topology.size(text) == number


def test_a_service_counts_if_its_profile_is_enabled() -> None:
    assert "vertex" not in load().images
    found = load(COMPOSE_PROFILES="user,vertex")
    assert found.images["vertex"] == "raydock/vertex:2.47.1"
