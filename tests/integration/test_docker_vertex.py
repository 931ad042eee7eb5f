"""Vertex's control plane in Docker, by a person's unmodified vertex_ray: clusters, identities, jobs, kills."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.engine import Engine, connect, find_compose
from tests.command import ROOT
from tests.conftest import cluster_command, lab_environment
from tests.labcloud import AGENT, TRAINER

pytestmark = pytest.mark.docker

JOBS = ROOT / "tests" / "jobs"
PACKAGES = sysconfig.get_paths()["purelib"]  # where the SDK is: the person's container borrows it
AGENT_ADDRESS, TRAINER_ADDRESS = (one.removeprefix("serviceAccount:") for one in (AGENT, TRAINER))


@pytest.fixture(scope="module")
def env(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The lab's cloud and the control plane, without the compose cluster; removed by `cluster down`."""
    prefix = images["head"].partition("/head:")[0]
    more = {"COMPOSE_PROFILES": "vertex", "RAYDOCK_IMAGE_PREFIX": prefix}
    found = lab_environment(tmp_path_factory.mktemp("vertex-state"), **more)
    done = cluster_command(found, "images", "--build", timeout=3000)
    assert done.returncode == 0, done.stderr
    try:
        compose(found, "up", "--no-build", "--detach", "--wait", "storage", "cloud", "vertex")
        yield found
    finally:
        ended = cluster_command(found, "down")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    found = connect()
    yield found
    found.client.close()


def compose(env: dict[str, str], *words: str, seconds: float = 300) -> str:
    command = [*find_compose(), "--project-directory", str(ROOT), *words]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(slots=True)
class Person:
    """The script in a container of the person, told what to do line by line."""

    process: subprocess.Popen[str]

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
        raise AssertionError(f"The script ended amid: {' '.join(words)}")

    def told(self, *words: str) -> list[Any]:
        return list(self.ask(*words))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def person(env: dict[str, str]) -> Iterator[Person]:
    mounts = [f"{JOBS}:/jobs:ro", f"{PACKAGES}:/packages:ro"]
    options = [word for mount in mounts for word in ("--volume", mount)]
    options += ["--env", "PYTHONPATH=/packages", "--env", "PYTHONDONTWRITEBYTECODE=1"]
    command = [*find_compose(), "--project-directory", str(ROOT), "run", "--rm", "--no-deps", "-T", *options]
    process = subprocess.Popen(
        [*command, "person", "timeout", "1500", "python", "-W", "ignore", "/jobs/vertex_life.py"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = Person(process)
    yield found
    found.end()


def nodes(engine: Engine, env: dict[str, str]) -> list[str]:
    found = engine.containers(env["COMPOSE_PROJECT_NAME"], "vertex-node")
    return sorted(container.name for container in found)


def left(engine: Engine, env: dict[str, str]) -> list[str]:
    """The nodes that are there still, when the last should long be gone."""
    deadline = time.monotonic() + 60
    while (found := nodes(engine, env)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def test_two_clusters_from_creation_to_deletion(env: dict[str, str], engine: Engine, person: Person) -> None:
    """Each is who it was created as, through the Job API and Ray Client; the log comes over the websocket."""
    both, grown, gone = person.told("life", TRAINER_ADDRESS)
    assert both["listed"] == [
        ["first", "RUNNING", "2.47", None],
        ["second", "RUNNING", "2.47", TRAINER_ADDRESS],
    ]
    pools = [["head-node", 0, 0], ["worker-pool1", 1.0, 0], ["worker-pool2", 1.0, 1.0]]
    hello = "hello from lab-data\n"
    assert both["client"] == ["_VertexRayClientContext", AGENT_ADDRESS, True, [pool[0] for pool in pools]]
    assert both["first"] == ["SUCCEEDED", [AGENT_ADDRESS, AGENT_ADDRESS, hello, pools]]
    merged = [["head-node", 0, 0], ["head-node", 1.0, 0]]
    assert both["second"] == ["SUCCEEDED", [TRAINER_ADDRESS, TRAINER_ADDRESS, "Forbidden", merged]]
    assert grown["grown"][1][3] == [*pools[:2], *pools[1:]]
    assert gone == {"left": []}
    assert nodes(engine, env) == []


LIVES = int(os.environ.get("RAYDOCK_VERTEX_LIVES", "1"))  # 10 by hand: each has three kills


@pytest.mark.parametrize("life", range(LIVES))
def test_three_kills_lose_nothing_and_leave_nothing(
    env: dict[str, str], engine: Engine, person: Person, life: int
) -> None:
    """Killed amid creation, amid a job and a Ray Client session, amid deletion; each at another time."""
    name, moments = f"killed-{life}", random.Random(life)
    assert person.told("start", name) == [{"asked": name}]
    kill(env, moments.uniform(0, 8))

    session = person.ask("session", name)
    assert next(session) == {"connected": name}
    kill(env, moments.uniform(0, 10))
    assert list(session) == [{"status": "SUCCEEDED", "log": True, "count": True}]

    assert person.told("delete", name) == [{"asked": name}]
    kill(env, moments.uniform(0, 3))
    assert person.told("gone") == [{"left": []}]
    assert left(engine, env) == []


def kill(env: dict[str, str], seconds: float) -> None:
    """The control plane, after so many seconds; then it is started again."""
    time.sleep(seconds)
    compose(env, "kill", "vertex")
    compose(env, "up", "--no-build", "--detach", "--wait", "--no-recreate", "vertex")


def test_nodes_reach_no_socket_and_no_key(env: dict[str, str], engine: Engine) -> None:
    """Only the control plane has the engine's socket, and it publishes no port."""
    found = engine.containers(env["COMPOSE_PROJECT_NAME"])
    with_socket = [
        one.labels["com.docker.compose.service"]
        for one in found
        if any("docker.sock" in mount.get("Source", "") for mount in one.attrs["Mounts"])
    ]
    assert with_socket == ["vertex"]
    (vertex,) = engine.containers(env["COMPOSE_PROJECT_NAME"], "vertex")
    assert vertex.attrs["HostConfig"]["PortBindings"] in ({}, None)
    assert vertex.attrs["HostConfig"]["CapDrop"] == ["ALL"]
    assert vertex.attrs["HostConfig"]["CapAdd"] == ["DAC_READ_SEARCH"]


def test_down_takes_the_nodes_too(env: dict[str, str], engine: Engine, person: Person) -> None:
    """`make cluster-down` while a cluster runs leaves nothing, also where the profile is not chosen any more."""
    person.told("start", "forgotten")
    person.end()
    assert nodes(engine, env) != []
    done = cluster_command({**env, "COMPOSE_PROFILES": ""}, "down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert engine.belongings(env["COMPOSE_PROJECT_NAME"]) == []
