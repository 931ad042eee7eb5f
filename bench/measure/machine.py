"""Describes the machine that the benchmarks ran on, without host names or paths."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def describe() -> dict[str, str]:
    """The hardware, the operating system and the versions, as text."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "ray": version("ray"),
        **engine(),
    }


def cpu() -> str:
    """The processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def engine() -> dict[str, str]:
    """The Docker and Compose versions, or {} if no engine responds."""
    from cluster.docker.engine import connect, find_compose
    from cluster.errors import NoEngine

    try:
        docker, compose = connect().version, find_compose()
    except NoEngine:
        return {}
    done = subprocess.run([*compose, "version", "--short"], capture_output=True, text=True, timeout=20)
    return {"docker": docker, "compose": done.stdout.strip()}
