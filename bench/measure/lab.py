"""A separate cluster for benchmarks, with its own project name, port and state folder. It is removed at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.measure.command import HEADERS, ROOT, Unexpected
from cluster import ports, sizes
from cluster.state import key
from raydock import topology

UP_SECONDS = 600.0  # allows for building images
TWO_WORKERS = {
    "CPU_WORKERS": "2",
    "GPU_WORKERS": "0",
    "CPU_WORKER_CPUS": "1",
    # For `joblib` with 500 MiB of data; these are limits, so other benchmarks don't need that much.
    "HEAD_MEMORY": "8g",
    "CPU_WORKER_MEMORY": "5g",
}


@dataclass(frozen=True, slots=True)
class BenchLab:
    """A separate cluster, which may not be running yet, and the environment that directs commands to it."""

    env: Mapping[str, str]

    @property
    def address(self) -> str:
        """The dashboard's address."""
        return f"http://127.0.0.1:{self.env['RAYDOCK_PORT']}"

    def cluster(self, *words: str, seconds: float = UP_SECONDS) -> str:
        """Run `python -m cluster …` and return its stdout. Raises Unexpected if it fails or takes too long."""
        shown = f"python -m cluster {' '.join(words)}"
        try:
            done = subprocess.run(
                [sys.executable, "-m", "cluster", *words],
                cwd=ROOT,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as fault:
            raise Unexpected(f"{shown} did not finish within {seconds:g} s.", fault.stderr or b"") from None
        if done.returncode:
            raise Unexpected(f"{shown} exited with code {done.returncode}.", done.stderr)
        return done.stdout.decode()

    def use_key(self) -> None:
        """Make all later commands use this cluster's key and state folder."""
        found = key.read(Path(self.env["RAYDOCK_STATE"]))
        # The commands save results there, which are deleted along with the cluster.
        os.environ["RAYDOCK_STATE"] = self.env["RAYDOCK_STATE"]
        os.environ[HEADERS] = json.dumps({"Authorization": f"Bearer {found}"})

    def describe(self) -> str:
        """The cluster's runtime and nodes, for example "docker: 1 head, 2 cpu-worker"."""
        status = json.loads(self.cluster("status", "--json"))
        pools = Counter(node["pool"] for node in status["nodes"])
        return f"{status['kind']}: " + ", ".join(f"{count} {pool}" for pool, count in pools.items())


@contextmanager
def lab(**settings: str) -> Iterator[BenchLab]:
    """A separate cluster with these settings, which is not started yet. It is removed at the end."""
    with TemporaryDirectory(prefix="raydock-bench-") as state:
        env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        env |= {
            "COMPOSE_PROJECT_NAME": f"raydock-bench-{uuid4().hex[:8]}",
            "RAYDOCK_PORT": str(ports.pick(1, set())[0]),
            "RAYDOCK_STATE": state,
        }
        # The sizes are the same on every machine, so that results can be compared.
        here = BenchLab(env | sizes.of_compose(topology.load(ROOT, {})).settings() | settings)
        before = {name: os.environ.get(name) for name in ("RAYDOCK_STATE", HEADERS)}
        try:
            yield here
        finally:
            for name, value in before.items():  # `use_key` may have set them
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            here.cluster("down")
