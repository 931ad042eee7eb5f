"""Vertex AI machine types with built-in GPUs, and how they differ from other machine types.

Source: https://cloud.google.com/compute/docs/accelerator-optimized-machines, with the accelerator names from
google-cloud-aiplatform 2.7.0 (`AcceleratorType`). Not verified against the real service.
"""

from __future__ import annotations

import re

# Families whose type names end with the number of GPUs, such as "-8g": the accelerator and the vCPUs per GPU.
BY_GPUS = {
    "a2-highgpu": ("NVIDIA_TESLA_A100", 12),
    "a2-ultragpu": ("NVIDIA_A100_80GB", 12),
    "a2-megagpu": ("NVIDIA_TESLA_A100", 6),
    "a3-highgpu": ("NVIDIA_H100_80GB", 26),
    "a3-edgegpu": ("NVIDIA_H100_80GB", 26),
    "a3-megagpu": ("NVIDIA_H100_MEGA_80GB", 26),
    "a3-ultragpu": ("NVIDIA_H200_141GB", 28),
    "a4-highgpu": ("NVIDIA_B200", 28),
    "a4x-highgpu": ("NVIDIA_GB200", 35),
}
# Families whose type names end with the number of vCPUs: the accelerator, and the number of GPUs keyed by vCPUs.
BY_VCPUS = {
    "g2-standard": ("NVIDIA_L4", {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8}),
    "g4-standard": ("NVIDIA_RTX_PRO_6000", {48: 1, 96: 2, 192: 4, 384: 8}),
}
HYPERDISK_ONLY = (
    "a3-ultragpu",
    "a4-highgpu",
    "a4x-highgpu",
    "g4-standard",
)  # families that don't support Persistent Disk
HYPERDISK = "hyperdisk-balanced"
ARM = ("a4x-highgpu",)  # families with Arm CPUs


def needs_hyperdisk(machine_type: str) -> bool:
    """Whether a machine type requires Hyperdisk because it does not support Persistent Disk."""
    return machine_type.rpartition("-")[0] in HYPERDISK_ONLY


def has_arm(machine_type: str) -> bool:
    """Whether a machine type has Arm CPUs."""
    return machine_type.rpartition("-")[0] in ARM


def gpus(machine_type: str) -> tuple[str, int] | None:
    """A machine type's accelerator type and count, or None if it has no built-in GPUs or is unknown."""
    name, _, size = machine_type.rpartition("-")
    if name in BY_GPUS and (found := re.fullmatch(r"([0-9]+)g", size)):
        return BY_GPUS[name][0], int(found[1])
    accelerator, counts = BY_VCPUS.get(name, ("", {}))
    count = counts.get(int(size)) if re.fullmatch("[0-9]+", size) else None
    return (accelerator, count) if count else None


def vcpus(machine_type: str) -> int | None:
    """The number of vCPUs in any machine type's name, or None if the name does not include it."""
    name, _, size = machine_type.rpartition("-")
    if found := re.fullmatch(r"([0-9]+)g", size):
        return BY_GPUS[name][1] * int(found[1]) if name in BY_GPUS else None
    return int(size) if re.fullmatch("[0-9]+", size) else None
