"""Which of this machine's GPUs each GPU worker gets in the processes runtime. A worker without one simulates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.processes import loopback
from raydock.topology import Pool

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"


def module(root: Path) -> Any:
    """Import docker/gpus.py, which finds the GPUs of a machine and of a container."""
    return loopback.module(root / "docker" / "gpus.py")


def of_worker(usable: Sequence[Any], pool: Pool, name: str) -> Sequence[Any]:
    """The GPUs of the worker with this name, or none if there are too few: gpu-worker-1 gets the first ones."""
    first = (int(name.rpartition("-")[2]) - 1) * pool.gpus if pool.gpus else 0
    mine = usable[first : first + pool.gpus]
    return mine if len(mine) == pool.gpus else ()


def variables(pool: Pool, mine: Sequence[Any], caller: Mapping[str, str]) -> dict[str, str]:
    """A GPU worker's environment. Jobs see whether its GPUs are simulated."""
    if not pool.gpus:
        return {}
    if not mine:
        return {"RAYDOCK_SIMULATED_GPU": "1", "RAYDOCK_GPU": "simulated"}
    # nvidia-smi numbers GPUs by their bus, CUDA by their speed.
    order = {} if VISIBLE in caller else {ORDER: "PCI_BUS_ID"}
    return {"RAYDOCK_GPU": "real", VISIBLE: ",".join(gpu.id for gpu in mine), **order}


def sentence(found: Any, pool: Pool, name: str) -> str:
    """What the worker's GPUs are, or "" on a machine without NVIDIA's driver."""
    if mine := of_worker(found.gpus, pool, name):
        each = ", ".join(f"{gpu.name} ({gpu.mib / 1024:.1f} GiB)" if gpu.mib else gpu.name for gpu in mine)
        more = f"; this machine has {len(found.gpus)}, see GPU_WORKER_GPUS"
        return f"{name}: {each}{more if len(found.gpus) > len(mine) else ''}"
    if found.gpus:
        return f"{name}: its GPUs are simulated, because this machine has only {len(found.gpus)}"
    return "" if found.missing else f"{name}: its GPUs are simulated, because {found.why}"
