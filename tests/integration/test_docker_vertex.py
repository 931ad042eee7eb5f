"""Vertex's control plane in Docker, by a person's unmodified vertex_ray: clusters, identities, jobs, a kill."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import time
from collections.abc import Iterator
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


def person(env: dict[str, str], *words: str) -> list[Any]:
    """What the script tells, run as the person."""
    mounts = [f"{JOBS}:/jobs:ro", f"{PACKAGES}:/packages:ro"]
    options = [word for mount in mounts for word in ("--volume", mount)]
    options += ["--env", "PYTHONPATH=/packages", "--env", "PYTHONDONTWRITEBYTECODE=1"]
    script = ("python", "-W", "ignore", "/jobs/vertex_life.py")
    out = compose(env, "run", "--rm", "--no-deps", "-T", *options, "person", *script, *words)
    return [json.loads(line.partition(" ")[2]) for line in out.splitlines() if line.startswith("TOLD ")]


def nodes(engine: Engine, env: dict[str, str]) -> list[str]:
    found = engine.containers(env["COMPOSE_PROJECT_NAME"], "vertex-node")
    return sorted(container.name for container in found)


def test_two_clusters_from_creation_to_deletion(env: dict[str, str], engine: Engine) -> None:
    """Each is who it was created as; the log comes over the websocket; nothing is left."""
    both, grown, left = person(env, "life", TRAINER_ADDRESS)
    assert both["listed"] == [
        ["first", "RUNNING", "2.47", None],
        ["second", "RUNNING", "2.47", TRAINER_ADDRESS],
    ]
    pools = [["head-node", 0, 0], ["worker-pool1", 1.0, 0], ["worker-pool2", 1.0, 1.0]]
    hello = "hello from lab-data\n"
    assert both["first"] == ["SUCCEEDED", [AGENT_ADDRESS, AGENT_ADDRESS, hello, pools]]
    merged = [["head-node", 0, 0], ["head-node", 1.0, 0]]
    assert both["second"] == ["SUCCEEDED", [TRAINER_ADDRESS, TRAINER_ADDRESS, "Forbidden", merged]]
    assert grown["grown"][1][3] == [*pools[:2], *pools[1:]]
    assert left == {"left": []}
    assert nodes(engine, env) == []


@pytest.mark.parametrize("seconds", [0.0, 1.5, 6.0])
def test_a_kill_amid_the_creation_loses_nothing(env: dict[str, str], engine: Engine, seconds: float) -> None:
    """Killed so long after it was asked, and started again: the cluster runs, and is deleted without a rest."""
    name = f"killed-{int(seconds * 10)}"
    assert person(env, "start", name) == [{"asked": name}]
    time.sleep(seconds)
    restart(env)
    run, left = person(env, "end", name)
    assert (run["state"], run["found"][0], run["found"][1][0]) == ("RUNNING", "SUCCEEDED", AGENT_ADDRESS)
    assert left == {"left": []}
    assert nodes(engine, env) == []


def test_a_kill_amid_a_job_and_amid_the_deletion(env: dict[str, str], engine: Engine) -> None:
    """The job goes on and loses no line; the deletion is driven on."""
    assert person(env, "begin", "long") == [{"job": "long"}]
    restart(env)
    assert person(env, "finish", "long") == [{"status": "SUCCEEDED", "whole": True}]
    restart(env)
    deadline = time.monotonic() + 60
    while nodes(engine, env) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert nodes(engine, env) == []


def restart(env: dict[str, str]) -> None:
    """The control plane, by a kill."""
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


def test_down_takes_the_nodes_too(env: dict[str, str], engine: Engine) -> None:
    """`make cluster-down` while a cluster runs leaves nothing, also where the profile is not chosen any more."""
    person(env, "start", "forgotten")
    assert nodes(engine, env) != []
    done = cluster_command({**env, "COMPOSE_PROFILES": ""}, "down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert engine.belongings(env["COMPOSE_PROJECT_NAME"]) == []
