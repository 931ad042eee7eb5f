"""The resources that a machine offers to a cluster; for this machine, within the limits of the control group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
GROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine offers to a cluster."""

    cpus: int
    memory: int  # bytes


def here(mount: Path = MOUNT, groups: Path = GROUPS) -> Machine:
    """What this process may use: affinity, CPU quota (rounded down, at least 1) and memory limit."""
    quotas = [whole for folder in folders("cpu", mount, groups) if (whole := quota(folder))]
    limits = [limit for folder in folders("memory", mount, groups) if (limit := memory_limit(folder))]
    return Machine(max(1, int(min([affinity(), *quotas]))), min([physical_memory(), *limits]))


def affinity() -> int:
    """CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def physical_memory() -> int:
    """Bytes of memory in this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def folders(controller: str, mount: Path, groups: Path) -> Iterator[Path]:
    """The folders of this process's control group and its parents, in version 2 and version 1.

    Source: https://man7.org/linux/man-pages/man7/cgroups.7.html, /proc/pid/cgroup
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top = mount
        elif controller in controllers.split(","):
            top = mount / controllers if (mount / controllers).is_dir() else mount / controller
        else:
            continue
        # In a container, the path may be the host's, which does not exist; the container's own group is the top.
        inner = top / path.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(top))


def quota(folder: Path) -> float:
    """CPUs that the group may use; 0 if it has no limit."""
    words = read(folder / "cpu.max").split() or [
        read(folder / "cpu.cfs_quota_us").strip(),
        read(folder / "cpu.cfs_period_us").strip(),
    ]
    most, period = (int(word) if word.isdigit() else 0 for word in words)  # "max" or -1: no limit
    return most / period if period else 0.0


def memory_limit(folder: Path) -> int:
    """Bytes that the group may use; 0 if it has no limit. Version 1 writes that as a very large number."""
    text = (read(folder / "memory.max") or read(folder / "memory.limit_in_bytes")).strip()
    return int(text) if text.isdigit() else 0


def read(file: Path) -> str:
    """The file's text; "" if it can't be read."""
    try:
        return file.read_text()
    except OSError:
        return ""
