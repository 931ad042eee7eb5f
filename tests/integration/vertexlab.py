"""The lab with Vertex's control plane and JupyterLab, and containers of its user to run commands in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.docker.engine import connect, find_compose
from cluster.state import key
from tests.lab import ROOT, Lab
from tests.labcloud import TRAINER

PACKAGES = sysconfig.get_paths()["purelib"]  # where the SDK is: the user's container borrows it


def compose_command() -> list[str]:
    """`docker compose` for this checkout, from any directory."""
    return [*find_compose(), "--project-directory", str(ROOT)]


@dataclass(frozen=True)
class VertexLab(Lab):
    """`link` opens JupyterLab, `home` holds the user's state."""

    home: Path = Path()
    link: str = ""

    def compose(self, *words: str, **settings: str) -> str:
        """Runs `docker compose …`, which must succeed, and returns its stdout."""
        same = {
            "RAYDOCK_KEY_SHA256": key.digest(key.read(self.state))
        }  # otherwise Compose would recreate the cloud
        done = subprocess.run(
            [*compose_command(), *words], cwd=ROOT, env={**self.env, **same, **settings}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def restart(self, service: str, **settings: str) -> None:
        """Recreates the service's container with these settings and waits until it is healthy."""
        self.compose("up", "--no-build", "--detach", "--wait", "--no-deps", service, **settings)

    def user(self, *words: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """`python …` as the user, in a container with this checkout."""
        inside = {"PYTHONPATH": "/packages", "PYTHONDONTWRITEBYTECODE": "1", "RAYDOCK_STATE": "/state"}
        inside |= {"CPU_WORKERS": "2", "GPU_WORKERS": "0"}  # of the cluster that `cluster up` makes
        options = [word for name, value in inside.items() for word in ("--env", f"{name}={value}")]
        options += volumes(f"{ROOT}:/checkout:ro", f"{PACKAGES}:/packages:ro", f"{self.home}:/state")
        return subprocess.run(
            [*compose_command(), "run", "--rm", "--no-deps", "-T", *options, "--workdir", "/checkout", "user",
             "python", "-W", "ignore", *words],
            cwd=ROOT, env=dict(self.env), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip

    def nodes_of(self, cluster: str) -> list[str]:
        """The containers of one of its clusters."""
        engine = connect()
        try:
            found = engine.containers(self.project, "vertex-node")
            return sorted(one.name for one in found if one.name.startswith(f"{self.project}-{cluster}-"))
        finally:
            engine.client.close()

    def send(self, cluster: str, *words: str) -> subprocess.CompletedProcess[str]:
        """`submit.py --target vertex --cluster …` as the user."""
        return self.user("submit.py", "--target", "vertex", "--cluster", cluster, *words)


def volumes(*mounts: str) -> list[str]:
    return [word for mount in mounts for word in ("--volume", mount)]


def started(env: dict[str, str], home: Path) -> VertexLab:
    """Runs `make notebook` in an existing environment."""
    command = ["make", "--old-file=setup", f"PYTHON={sys.executable}", "notebook"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^Notebook:\n(\S+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return VertexLab("docker", env, home, found[1])


@dataclass(slots=True)
class Script:
    """tests/jobs/vertex_life.py in a container of the user, controlled line by line."""

    process: subprocess.Popen[str]
    created: bool = False

    @classmethod
    def begin(cls, lab: VertexLab) -> Script:
        options = volumes(f"{ROOT / 'tests' / 'jobs'}:/jobs:ro", f"{PACKAGES}:/packages:ro")
        options += ["--env", "PYTHONPATH=/packages", "--env", "PYTHONDONTWRITEBYTECODE=1"]
        words = ["user", "timeout", "5000", "python", "-W", "ignore", "/jobs/vertex_life.py"]
        return cls(
            subprocess.Popen(
                [*compose_command(), "run", "--rm", "--no-deps", "-T", *options, *words],
                cwd=ROOT, env=dict(lab.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
        )  # fmt: skip

    def create(self) -> None:
        """Clusters main and trained, by vertex_ray."""
        self.created, account = True, TRAINER.partition(":")[2]
        (made,) = self.told("create", account)
        assert made["listed"] == [
            ["main", "RUNNING", "2.47", None],
            ["trained", "RUNNING", "2.47", account],
        ]

    def ask(self, *words: str) -> Iterator[Any]:
        """What it tells, as it tells it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line == "DONE\n":
                return
            if line.startswith("TOLD "):
                yield json.loads(line.partition(" ")[2])
        raise AssertionError(f"The script ended at: {' '.join(words)}")

    def told(self, *words: str) -> list[Any]:
        return list(self.ask(*words))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=600)
