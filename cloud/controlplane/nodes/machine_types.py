"""The machine types and accelerators of Vertex AI training.

Sources: https://cloud.google.com/vertex-ai/docs/training/configure-compute#machine-types and #specifying_gpus, and
https://cloud.google.com/compute/docs/gpus for an N1 machine's maximum vCPUs per number of GPUs. A4X and G4:
https://cloud.google.com/compute/docs/accelerator-optimized-machines, and AcceleratorType of the SDK 2.7.0.
Not verified against the real service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MachineType:
    """A machine type: vCPUs, memory in GiB, and the built-in accelerators, if any."""

    cpus: int
    memory: float
    accelerator: str = ""
    count: int = 0


# By family: GiB of memory per vCPU, and the sizes in vCPUs.
FAMILIES: Mapping[str, tuple[float, tuple[int, ...]]] = {
    "n1-standard": (3.75, (4, 8, 16, 32, 64, 96)),
    "n1-highmem": (6.5, (2, 4, 8, 16, 32, 64, 96)),
    "n1-highcpu": (0.9, (16, 32, 64, 96)),
    "e2-standard": (4, (4, 8, 16, 32)),
    "e2-highmem": (8, (2, 4, 8, 16)),
    "e2-highcpu": (1, (16, 32)),
    "n2-standard": (4, (4, 8, 16, 32, 48, 64, 80)),
    "n2-highmem": (8, (2, 4, 8, 16, 32, 48, 64, 80)),
    "n2-highcpu": (1, (16, 32, 48, 64, 80)),
    "c2-standard": (4, (4, 8, 16, 30, 60)),
    "m1-ultramem": (24.025, (40, 80, 160)),
    "m1-megamem": (14.93, (96,)),
}
# Machines with built-in GPUs: vCPUs, GiB of memory, GPU type, number of GPUs.
WITH_GPUS: Mapping[str, tuple[int, float, str, int]] = {
    **{f"a2-highgpu-{n}g": (12 * n, 85 * n, "NVIDIA_TESLA_A100", n) for n in (1, 2, 4, 8)},
    "a2-megagpu-16g": (96, 1360, "NVIDIA_TESLA_A100", 16),
    **{f"a2-ultragpu-{n}g": (12 * n, 170 * n, "NVIDIA_A100_80GB", n) for n in (1, 2, 4, 8)},
    **{f"a3-highgpu-{n}g": (26 * n, 234 * n, "NVIDIA_H100_80GB", n) for n in (1, 2, 4, 8)},
    "a3-megagpu-8g": (208, 1872, "NVIDIA_H100_MEGA_80GB", 8),
    "a3-ultragpu-8g": (224, 2952, "NVIDIA_H200_141GB", 8),
    "a4-highgpu-8g": (224, 3968, "NVIDIA_B200", 8),
    "a4x-highgpu-4g": (140, 884, "NVIDIA_GB200", 4),
    **{f"g4-standard-{48 * n}": (48 * n, 180 * n, "NVIDIA_RTX_PRO_6000", n) for n in (1, 2, 4, 8)},
    **{
        f"g2-standard-{cpus}": (cpus, 4 * cpus, "NVIDIA_L4", count)
        for cpus, count in {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8}.items()
    },
}
MACHINES: Mapping[str, MachineType] = {
    **{
        f"{family}-{cpus}": MachineType(cpus, each * cpus)
        for family, (each, sizes) in FAMILIES.items()
        for cpus in sizes
    },
    **{name: MachineType(*known) for name, known in WITH_GPUS.items()},
}
# Families without Persistent Disk: https://cloud.google.com/compute/docs/accelerator-optimized-machines
HYPERDISK_ONLY = ("a3-ultragpu", "a4-highgpu", "a4x-highgpu", "g4-standard")
# GPUs that can be attached to an N1 machine: the maximum vCPUs by number of GPUs.
ATTACHED: Mapping[str, Mapping[int, int]] = {
    "NVIDIA_TESLA_T4": {1: 48, 2: 48, 4: 96},
    "NVIDIA_TESLA_P4": {1: 24, 2: 48, 4: 96},
    "NVIDIA_TESLA_P100": {1: 16, 2: 32, 4: 96},
    "NVIDIA_TESLA_V100": {1: 12, 2: 24, 4: 48, 8: 96},
}


def needs_hyperdisk(machine_type: str) -> bool:
    """Whether a machine type does not support Persistent Disk."""
    return machine_type.rpartition("-")[0] in HYPERDISK_ONLY


def check(machine_type: str, accelerator: str, count: int) -> tuple[str, str]:
    """The invalid field in a machine_spec and what is wrong with it; two empty strings if the spec is valid."""
    machine = MACHINES.get(machine_type)
    if machine is None:
        return "machine_type", f'Machine type "{machine_type}" is not supported.'
    if not accelerator:
        if count:
            return "accelerator_type", "accelerator_type must be set if accelerator_count is not 0."
        if machine.accelerator:
            built_in = f"{machine.count} {machine.accelerator}"
            return "accelerator_type", f'Machine type "{machine_type}" requires its built-in {built_in}.'
        return "", ""
    if machine.accelerator:
        sound = (machine.accelerator, machine.count) == (accelerator, count)
        allowed: Mapping[int, int] = {machine.count: machine.cpus}
    else:
        allowed = ATTACHED.get(accelerator, {}) if machine_type.startswith("n1-") else {}
        sound = machine.cpus <= allowed.get(count, 0)
    if sound:
        return "", ""
    if not allowed or (machine.accelerator and machine.accelerator != accelerator):
        # Google's message: terraform-provider-google#18931.
        return (
            "accelerator_type",
            f'Accelerator "{accelerator}" is not supported for machine type "{machine_type}"',
        )
    fits = ", ".join(str(n) for n, cpus in allowed.items() if machine.cpus <= cpus) or "none"
    return (
        "accelerator_count",
        f'Machine type "{machine_type}" can\'t have {count} {accelerator}; supported: {fits}.',
    )
