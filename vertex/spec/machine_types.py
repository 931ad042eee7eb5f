"""The machine type of each pool on Vertex AI, from the x-vertex keys in compose.yaml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from raydock.errors import UsageError
from raydock.topology import Pool

KEYS = ("machine_type", "accelerator_type", "accelerator_count", "boot_disk_type", "boot_disk_size_gb")
DISK_GB = (100, 64000)  # vertex_ray.util.resources.Resources
# vCPUs per accelerator, for machine families whose names give the number of accelerators:
# https://cloud.google.com/compute/docs/accelerator-optimized-machines
CPUS_OF_GPUS = {
    "a2-highgpu": 12,
    "a2-ultragpu": 12,
    "a2-megagpu": 6,
    "a3-highgpu": 26,
    "a3-edgegpu": 26,
    "a3-megagpu": 26,
    "a3-ultragpu": 28,
    "a4-highgpu": 28,
}


@dataclass(frozen=True, slots=True)
class PoolMachine:
    """The machine of one node. `accelerator` is "" for none; the disk size is in GB."""

    type: str
    accelerator: str = ""
    accelerators: int = 0
    disk: str = "pd-ssd"
    disk_gb: int = 100

    @property
    def spec(self) -> tuple[str, str, int]:
        """What the SDK compares to decide whether workers are merged into the head's pool."""
        return self.type, self.accelerator, self.accelerators

    @property
    def gpus(self) -> str:
        """The number and type of accelerators; "-" for none."""
        return f"{self.accelerators} {self.accelerator}" if self.accelerators else "-"

    def __str__(self) -> str:
        return f"{self.type}, {self.gpus}" if self.accelerators else self.type

    @property
    def cpus(self) -> int | None:
        """The number of vCPUs, from the machine type's name; None if the name does not include it."""
        family, _, size = self.type.rpartition("-")
        if found := re.fullmatch(r"(\d+)g", size):
            each = CPUS_OF_GPUS.get(family)
            return each * int(found[1]) if each else None
        return int(size) if size.isascii() and size.isdigit() else None


def machine_of(pool: Pool) -> PoolMachine:
    """The machine of a compose.yaml pool. Raises UsageError for an invalid x-vertex block."""
    block = pool.vertex
    for key in block:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(KEYS)}."
            raise UsageError(f"compose.yaml: unknown key {key} in x-vertex of {pool.name}.", hint)
    found = PoolMachine(
        string_value(pool, block, "machine_type", ""),
        string_value(pool, block, "accelerator_type", ""),
        integer_value(pool, block, "accelerator_count", 0),
        string_value(pool, block, "boot_disk_type", "pd-ssd"),
        integer_value(pool, block, "boot_disk_size_gb", 100),
    )
    if not found.type:
        raise invalid_block(pool, "machine_type is missing", "machine_type: n1-standard-16")
    if bool(found.accelerator) != bool(found.accelerators):
        raise invalid_block(
            pool, "accelerator_type and accelerator_count must be set together", "both or neither"
        )
    if not DISK_GB[0] <= found.disk_gb <= DISK_GB[1]:
        raise invalid_block(pool, f"boot_disk_size_gb is {found.disk_gb}", f"{DISK_GB[0]} to {DISK_GB[1]} GB")
    return found


def string_value(pool: Pool, block: Mapping[str, object], key: str, default: str) -> str:
    """A string from the x-vertex block. Raises UsageError for another type."""
    value = block.get(key, default)
    if not isinstance(value, str):
        raise invalid_block(pool, f"{key} is {value!r}", "a string")
    return value


def integer_value(pool: Pool, block: Mapping[str, object], key: str, default: int) -> int:
    """A non-negative integer from the x-vertex block. Raises UsageError for anything else."""
    value = block.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise invalid_block(pool, f"{key} is {value!r}", "an integer")
    return value


def invalid_block(pool: Pool, what: str, wanted: str) -> UsageError:
    """The error for an invalid x-vertex block."""
    return UsageError(f"compose.yaml: x-vertex of {pool.name}: {what}.", f"Expected: {wanted}")
