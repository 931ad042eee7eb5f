"""The NVIDIA GPUs that this machine, or this container, can use. It uses only the standard library.

A cluster of containers and one of processes both learn from here whether a GPU worker's GPUs are real.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

QUERY = ("--query-gpu=index,uuid,memory.total,name", "--format=csv,noheader,nounits")
SECONDS = 30.0  # without a persistence daemon, the driver initializes each GPU first
VISIBLE = "CUDA_VISIBLE_DEVICES"
MOST = 63  # characters in a Ray label


@dataclass(frozen=True)
class Gpu:
    """A GPU that CUDA can use. `id` is how CUDA_VISIBLE_DEVICES refers to it: its index, or its UUID."""

    id: str
    name: str
    mib: int  # memory


@dataclass(frozen=True)
class Found:
    """The usable GPUs. If there are none, `why` is a clause that says why not."""

    gpus: tuple[Gpu, ...] = ()
    why: str = ""
    missing: bool = False  # nvidia-smi, so this is not a machine with NVIDIA's driver


def find(environ: Mapping[str, str]) -> Found:
    """The GPUs that nvidia-smi lists, or those of them that CUDA_VISIBLE_DEVICES selects."""
    program = shutil.which("nvidia-smi", path=environ.get("PATH"))
    if not program:
        return Found(why="nvidia-smi is not installed", missing=True)
    try:
        done = subprocess.run(
            [program, *QUERY], env=dict(environ), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Found(why=f"nvidia-smi does not respond ({error})")
    if done.returncode:
        return Found(why=f"nvidia-smi failed: {' '.join((done.stdout or done.stderr).split())}")
    return selected(rows(done.stdout), environ.get(VISIBLE))


def rows(text: str) -> list[tuple[str, Gpu]]:
    """The UUIDs and GPUs in nvidia-smi's output. Memory that it can't report ("[N/A]", shared with the CPU) is 0."""
    cells = [[cell.strip() for cell in line.split(",", 3)] for line in text.splitlines()]
    return [
        (uuid, Gpu(index, name, int(memory) if memory.isdigit() else 0))
        for index, uuid, memory, name in (row for row in cells if len(row) == 4)
    ]


def selected(listed: Sequence[tuple[str, Gpu]], visible: str | None) -> Found:
    """The GPUs that CUDA_VISIBLE_DEVICES selects. As in CUDA, the first unknown entry and all after it are ignored."""
    if not listed:
        return Found(why="nvidia-smi lists no GPU")
    if visible is None:
        return Found(tuple(gpu for _, gpu in listed))
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in visible.split(",")):
        match = [gpu for uuid, gpu in listed if entry in (gpu.id, uuid) or partial(entry, uuid)]
        if entry.startswith("MIG-"):
            match = [Gpu(entry, "MIG", 0)]
        if len(match) != 1:
            break
        chosen.append(Gpu(entry, match[0].name, match[0].mib))
    return Found(tuple(chosen), "" if chosen else f"{VISIBLE}={visible} selects none")


def partial(entry: str, uuid: str) -> bool:
    """Whether the entry is the beginning of the UUID."""
    return entry.startswith("GPU-") and uuid.startswith(entry)


def labels(gpus: Sequence[Gpu]) -> dict[str, str]:
    """Node labels that describe the GPUs: the name and the memory of the smallest."""
    if not gpus:
        return {}
    smallest = min(gpus, key=lambda gpu: gpu.mib)
    name = re.sub(r"[^A-Za-z0-9]+", "-", smallest.name)[:MOST].strip("-")
    found = {"gpu-name": name, "gpu-mib": str(smallest.mib or "")}
    return {key: value for key, value in found.items() if value}
