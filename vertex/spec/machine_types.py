"""Each pool's machine type on Vertex AI, from the x-vertex keys in compose.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from raydock.errors import UsageError
from raydock.topology import Pool
from vertex.spec import built_in_gpus

KEYS = ("machine_type", "accelerator_type", "accelerator_count", "boot_disk_type", "boot_disk_size_gb")
DISK_GB = (100, 64000)  # vertex_ray.util.resources.Resources


@dataclass(frozen=True, slots=True)
class PoolMachine:
    """One node's machine. `accelerator_type` is "" if it has none. The disk size is in GB."""

    machine_type: str
    accelerator_type: str = ""
    accelerator_count: int = 0
    disk_type: str = "pd-ssd"
    disk_gb: int = 100

    @property
    def spec(self) -> tuple[str, str, int]:
        """The values that the SDK compares to decide whether to merge workers into the head's pool."""
        return self.machine_type, self.accelerator_type, self.accelerator_count

    @property
    def gpus(self) -> str:
        """The number and type of accelerators, or "-" if there are none."""
        return f"{self.accelerator_count} {self.accelerator_type}" if self.accelerator_count else "-"

    def __str__(self) -> str:
        return f"{self.machine_type}, {self.gpus}" if self.accelerator_count else self.machine_type

    @property
    def cpus(self) -> int | None:
        """The number of vCPUs in the machine type's name, or None if the name does not include it."""
        return built_in_gpus.vcpus(self.machine_type)


def machine_of(pool: Pool) -> PoolMachine:
    """The machine for a pool in compose.yaml. Raises UsageError for an invalid x-vertex block."""
    block = pool.vertex
    for key in block:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(KEYS)}."
            raise UsageError(f"compose.yaml: unknown key {key} in {pool.name}'s x-vertex block.", hint)
    machine_type = string_value(pool, block, "machine_type", "")
    disk_type = built_in_gpus.HYPERDISK if built_in_gpus.needs_hyperdisk(machine_type) else "pd-ssd"
    found = PoolMachine(
        machine_type,
        string_value(pool, block, "accelerator_type", ""),
        integer_value(pool, block, "accelerator_count", 0),
        string_value(pool, block, "boot_disk_type", disk_type),
        integer_value(pool, block, "boot_disk_size_gb", 100),
    )
    check_accelerator(pool, found)
    check_disk(pool, found)
    return found


def check_disk(pool: Pool, found: PoolMachine) -> None:
    """Check the boot disk. Raises UsageError."""
    if not DISK_GB[0] <= found.disk_gb <= DISK_GB[1]:
        raise invalid_block(pool, f"boot_disk_size_gb is {found.disk_gb}", f"{DISK_GB[0]} to {DISK_GB[1]} GB")
    if found.disk_type != built_in_gpus.HYPERDISK and built_in_gpus.needs_hyperdisk(found.machine_type):
        what = f"boot_disk_type is {found.disk_type}, which {found.machine_type} does not support"
        raise invalid_block(pool, what, built_in_gpus.HYPERDISK)


def check_accelerator(pool: Pool, found: PoolMachine) -> None:
    """Check the machine type and, for known machine types, the accelerator. Raises UsageError."""
    if not found.machine_type:
        raise invalid_block(pool, "machine_type is missing", "machine_type: n1-standard-16")
    if (built_in := built_in_gpus.gpus(found.machine_type)) and built_in != found.spec[1:]:
        accelerator, count = built_in
        what = f"{found.machine_type} has {count} built-in {accelerator}"
        raise invalid_block(pool, what, f"accelerator_type: {accelerator} and accelerator_count: {count}")
    if bool(found.accelerator_type) != bool(found.accelerator_count):
        raise invalid_block(
            pool, "accelerator_type and accelerator_count must be set together", "both or neither"
        )


def string_value(pool: Pool, block: Mapping[str, object], key: str, default: str) -> str:
    """A string from the x-vertex block. Raises UsageError for any other type."""
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
    return UsageError(f"compose.yaml: {pool.name}'s x-vertex block: {what}.", f"Expected: {wanted}")
