"""The cluster's images. `python -m tests` builds them while the tests that need no cluster run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.lab import ROOT

# One build at a time per machine, whichever checkout or pytest process asks.
LOCK = Path(tempfile.gettempdir(), f"raydock-test-images-{os.getuid()}.lock")
SERVICES = ("head", "cpu-worker", "gpu-worker", "cloud", "vertex", "notebook")


def start_build(log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Builds every image in the background. The process holds the lock until it exits."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.Popen(
            command(), cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            pass_fds=[lock.fileno()], start_new_session=True,
        )  # fmt: skip


def build() -> dict[str, str]:
    """Waits for a running build, builds what is missing or stale, and returns the tags by service."""
    with locked():
        done = subprocess.run(
            command(), cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=3000, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    prefix = os.environ.get("RAYDOCK_IMAGE_PREFIX") or "raydock"
    return {service: f"{prefix}/{service}:2.47.1" for service in SERVICES}


@contextmanager
def locked() -> Iterator[None]:
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def command() -> list[str]:
    return [sys.executable, "-m", "cluster", "images", "--build"]


def environment() -> dict[str, str]:
    return {**os.environ, "COMPOSE_PROFILES": "vertex,notebook", "GPU_BUILD": "cpu"}
