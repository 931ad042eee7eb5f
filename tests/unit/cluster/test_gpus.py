"""Whether a GPU worker's GPUs are real: fake nvidia-smi programs, and what Docker engines say about themselves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.docker.gpus import overlay as gpu_overlay
from cluster.processes import gpus, ray_node, record
from raydock import topology
from raydock.settings import ROOT
from raydock.topology import Pool

MODULE = gpus.module(ROOT)
TWO = "0, GPU-aaaa-1, 15360, Tesla T4\n1, GPU-bbbb-2, 81559, NVIDIA H100 80GB HBM3\n"
WORKER = topology.load(ROOT, {}).pool("gpu-worker")


def found(folder: Path, script: str, **environ: str) -> Any:
    """What is found on a machine whose nvidia-smi is this shell script."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return MODULE.find({"PATH": f"{folder}{os.pathsep}{os.defpath}", **environ})


@pytest.mark.parametrize(
    ("visible", "ids"),
    [
        (None, ["0", "1"]),
        ("1", ["1"]),
        ("1,0", ["1", "0"]),
        ("GPU-bb", ["GPU-bb"]),
        ("0,7,1", ["0"]),  # like CUDA, which ignores what follows an unknown entry
        ("MIG-1-2-3", ["MIG-1-2-3"]),
    ],
)
def test_the_gpus_that_cuda_may_use(tmp_path: Path, visible: str | None, ids: list[str]) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert [gpu.id for gpu in found(tmp_path, f"printf '{TWO}'", **environ).gpus] == ids


@pytest.mark.parametrize(
    ("script", "environ", "why"),
    [
        (f"printf '{TWO}'", {"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES= selects none"),
        (f"printf '{TWO}'", {"CUDA_VISIBLE_DEVICES": "-1"}, "CUDA_VISIBLE_DEVICES=-1 selects none"),
        (
            "echo Driver/library version mismatch; exit 18",
            {},
            "nvidia-smi failed: Driver/library version mismatch",
        ),
        ("true", {}, "nvidia-smi lists no GPU"),
        ("echo No devices were found", {}, "nvidia-smi lists no GPU"),
    ],
)
def test_why_there_is_none(tmp_path: Path, script: str, environ: dict[str, str], why: str) -> None:
    none = found(tmp_path, script, **environ)
    assert (none.gpus, none.why, none.missing) == ((), why, False)
    assert (
        gpus.sentence(none, WORKER, "gpu-worker-1") == f"gpu-worker-1: its GPUs are simulated, because {why}"
    )


def test_a_machine_without_the_driver_is_not_worth_a_line(tmp_path: Path) -> None:
    none = MODULE.find({"PATH": str(tmp_path)})
    assert (none.gpus, none.missing, gpus.sentence(none, WORKER, "gpu-worker-1")) == ((), True, "")


def test_labels_describe_the_smallest(tmp_path: Path) -> None:
    both = found(tmp_path, f"printf '{TWO}'").gpus
    assert MODULE.labels(both) == {"gpu-name": "Tesla-T4", "gpu-mib": "15360"}
    assert MODULE.labels(both[1:]) == {"gpu-name": "NVIDIA-H100-80GB-HBM3", "gpu-mib": "81559"}
    assert MODULE.labels([MODULE.Gpu("0", "NVIDIA GB10", 0)]) == {"gpu-name": "NVIDIA-GB10"}


def started(pool: Pool, name: str, mine: Any, **caller: str) -> tuple[list[str], dict[str, str]]:
    """The command and environment of a worker."""
    share = ray_node.Share(2**30, 2**30)
    command = ray_node.command(ROOT, "/tmp/x", pool, name, share, (), "127.0.0.1:6379", mine)
    state = record.ProcessesRecord("/tmp/x", 8265, ports=record.Ports(1, 2, 3, 4))
    node = record.NodeProcess(name, pool.name)
    return command, ray_node.environment(Path("/state"), state, pool, node, caller, mine)


def test_workers_share_out_the_gpus(tmp_path: Path) -> None:
    usable = found(tmp_path, f"printf '{TWO}'")
    for name, ids in (("gpu-worker-1", "0"), ("gpu-worker-2", "1")):
        mine = gpus.of_worker(usable.gpus, WORKER, name)
        command, environ = started(WORKER, name, mine)
        assert "--labels=pool=gpu-worker,gpu=real,gpu-name=" in " ".join(command)
        assert {"--num-gpus=1", "--resources={}"} <= set(command)
        assert (environ["CUDA_VISIBLE_DEVICES"], environ["CUDA_DEVICE_ORDER"]) == (ids, "PCI_BUS_ID")
        assert "RAYDOCK_SIMULATED_GPU" not in environ
    assert gpus.sentence(usable, WORKER, "gpu-worker-1") == (
        "gpu-worker-1: Tesla T4 (15.0 GiB); this machine has 2, see GPU_WORKER_GPUS"
    )
    pair = replace(WORKER, gpus=2)
    assert [gpu.id for gpu in gpus.of_worker(usable.gpus, pair, "gpu-worker-1")] == ["0", "1"]
    assert gpus.sentence(usable, pair, "gpu-worker-1") == (
        "gpu-worker-1: Tesla T4 (15.0 GiB), NVIDIA H100 80GB HBM3 (79.6 GiB)"
    )


def test_a_worker_without_a_gpu_simulates_it(tmp_path: Path) -> None:
    usable = found(tmp_path, f"printf '{TWO}'")
    mine = gpus.of_worker(usable.gpus, WORKER, "gpu-worker-3")
    # Ray refuses to offer more GPUs than this variable lists.
    command, environ = started(WORKER, "gpu-worker-3", mine, CUDA_VISIBLE_DEVICES="")
    assert {"--labels=pool=gpu-worker,gpu=simulated", '--resources={"simulated_gpu": 1}'} <= set(command)
    assert environ["RAYDOCK_SIMULATED_GPU"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in environ
    assert gpus.sentence(usable, WORKER, "gpu-worker-3") == (
        "gpu-worker-3: its GPUs are simulated, because this machine has only 2"
    )


def test_the_callers_choice_of_gpus_is_kept() -> None:
    mine = [MODULE.Gpu("GPU-bb", "Tesla T4", 15360)]
    _, environ = started(WORKER, "gpu-worker-1", mine, CUDA_VISIBLE_DEVICES="GPU-bb,GPU-aa")
    assert environ["CUDA_VISIBLE_DEVICES"] == "GPU-bb"
    assert "CUDA_DEVICE_ORDER" not in environ


CDI = [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}, {"Source": "cdi", "ID": "nvidia.com/gpu=all"}]


@pytest.mark.parametrize(
    ("about", "overlay"),
    [
        ({"Runtimes": {"nvidia": {}, "runc": {}}, "DiscoveredDevices": CDI}, "compose.gpu.yaml"),
        ({"Runtimes": {"runc": {}}, "DiscoveredDevices": CDI}, "compose.cdi.yaml"),
        ({"Runtimes": {"runc": {}}, "DiscoveredDevices": [{"Source": "cdi", "ID": "intel.com/gpu=0"}]}, ""),
        ({"Runtimes": {"runc": {}}, "DiscoveredDevices": None, "CDISpecDirs": ["/etc/cdi"]}, ""),
        ({}, ""),
    ],
)
def test_the_compose_file_for_the_engine(about: dict[str, Any], overlay: str) -> None:
    assert gpu_overlay(about, is_local=True) == overlay


def test_older_engines_name_only_the_folders_of_cdi_specifications(tmp_path: Path) -> None:
    about = {"Runtimes": {"runc": {}}, "CDISpecDirs": [str(tmp_path), str(tmp_path / "missing")]}
    (tmp_path / "intel.yaml").write_text("kind: intel.com/gpu\n")
    assert gpu_overlay(about, is_local=True) == ""
    (tmp_path / "nvidia.yaml").write_text("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    assert gpu_overlay(about, is_local=True) == "compose.cdi.yaml"
    assert gpu_overlay(about, is_local=False) == ""


@pytest.mark.parametrize("name", ["compose.gpu.yaml", "compose.cdi.yaml"])
def test_the_compose_files_give_a_gpu_that_computes(name: str) -> None:
    worker = yaml.safe_load((ROOT / name).read_text())["services"]["gpu-worker"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert worker["environment"] == {"RAYDOCK_GPU": "real"}
    assert device["driver"] == "cdi" or {"gpu", "compute"} <= set(device["capabilities"])
