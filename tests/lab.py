"""Test clusters: their settings and commands."""

from __future__ import annotations

import ipaddress
import json
import os
import shlex
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from cluster import ports, sizes
from cluster.state import key
from raydock import topology
from raydock.rayapi.connection import Gateway
from tests.command import FLAGS

ROOT = Path(__file__).resolve().parent.parent
# compose.yaml's own, so that tests run on the same cluster on every machine.
SIZES = sizes.of_compose(topology.load(ROOT, {})).settings()
LABS = "RAYDOCK_TEST_LABS"  # a folder that records the settings of each cluster


@dataclass(frozen=True)
class Lab:
    """A running cluster: its kind and the environment of commands that use it."""

    kind: str
    env: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.env['RAYDOCK_PORT']}"

    @property
    def project(self) -> str:
        return self.env["COMPOSE_PROJECT_NAME"]

    @property
    def state(self) -> Path:
        return Path(self.env["RAYDOCK_STATE"])

    @property
    def dashboard(self) -> Gateway:
        """The gateway, with the key as it is now."""
        return Gateway(self.url, key.read(self.state))

    @property
    def headers(self) -> dict[str, str]:
        """The gateway's authorization header."""
        return {"Authorization": f"Bearer {self.dashboard.key}"}

    @property
    def reach(self) -> dict[str, str]:
        """The settings that submit.py needs to find it."""
        names = ("RAYDOCK_PORT", "RAYDOCK_STATE", "KUBECONFIG", FLAGS)
        return {name: self.env[name] for name in names if name in self.env}

    def cluster(self, *words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`python -m cluster …` in this lab's environment."""
        return cluster_command(self.env, *words, timeout=timeout)

    def touch(self, node: str, path: Path) -> None:
        """Creates a file on that node, for a job or task that waits for it."""
        if self.kind == "docker":
            words = ["docker", "exec", f"{self.project}-{node if node != 'head' else 'head-1'}"]
            words += ["sh", "-c", f"mkdir -p {path.parent} && touch {path}"]
            subprocess.run(words, check=True, capture_output=True, timeout=600)
        else:
            path.touch()

    def call(self, path: str, body: object = None) -> Any:
        """The JSON that the dashboard answers to a GET, or to a POST of `body`."""
        headers = {**self.headers, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def submit(self, script: str, *arguments: str) -> str:
        """Starts a job by the Job API; returns its id."""
        job = f"test-{uuid4().hex[:8]}"
        command = shlex.join(["python", "-c", textwrap.dedent(script), *arguments])
        self.call("/api/jobs/", {"entrypoint": command, "submission_id": job})
        return job

    def status(self, job: str) -> str:
        return str(self.call(f"/api/jobs/{job}")["status"])

    def log(self, job: str) -> str:
        return str(self.call(f"/api/jobs/{job}/logs")["logs"])

    def ended(self, job: str) -> tuple[str, str]:
        """How the job ended, and its log."""
        status = until(lambda: (now := self.status(job)) not in ("PENDING", "RUNNING") and now)
        return str(status), self.log(job)

    def nodes(self) -> list[dict[str, Any]]:
        """What `python -m cluster status --json` says of the nodes."""
        done = self.cluster("status", "--json")
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert (answer["kind"], answer["dashboard"]) == (self.kind, self.url)
        return list(answer["nodes"])

    def shape(self) -> list[tuple[str, str]]:
        """Name and state of each node."""
        return [(node["name"], node["state"]) for node in self.nodes()]


def until(check: Callable[[], Any], seconds: float = 600) -> Any:
    """Polls `check` and returns its first truthy value. The limit catches a fault, not a slow machine."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.1)
    return found


def cluster_command(
    env: Mapping[str, str], *words: str, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m cluster …` and hands back how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "cluster", *words],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def lab_environment(directory: Path, **more: str) -> dict[str, str]:
    """This process's environment with a project, a port and a state directory of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYDOCK_"))}
    env |= {
        "COMPOSE_PROJECT_NAME": f"raydock-test-{uuid4().hex[:8]}",
        "RAYDOCK_PORT": str(ports.pick(1, set())[0]),
        "RAYDOCK_STATE": str(directory),
        **SIZES,
    }
    if prefix := os.environ.get("RAYDOCK_IMAGE_PREFIX"):
        env["RAYDOCK_IMAGE_PREFIX"] = prefix
    bundle = os.environ.get("RAYDOCK_CA_BUNDLE") or os.environ.get("PIP_CERT")
    if bundle:  # a network that re-signs TLS: runtime envs in the containers need its certificate too
        env["RAYDOCK_CA_BUNDLE"] = bundle
    env |= {"LAB_EGRESS_ALLOW": index_network()} | more
    if folder := os.environ.get(LABS):
        Path(folder, env["COMPOSE_PROJECT_NAME"]).write_text(json.dumps(env))
    return env


def remove_labs(folder: Path) -> None:
    """Removes the clusters recorded there by an interrupted run, whose fixtures did not finish."""
    for record in folder.iterdir():
        with suppress(subprocess.TimeoutExpired):
            cluster_command(json.loads(record.read_text()), "down")


def index_network() -> str:
    """Where the package index is reached by an address that is not public, that address: jobs install too."""
    from pip._internal.models.index import PyPI

    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(PyPI.netloc, 443, socket.AF_INET)}
    except OSError:
        return ""
    return ",".join(f"{one}/32" for one in sorted(found) if not ipaddress.ip_address(one).is_global)
