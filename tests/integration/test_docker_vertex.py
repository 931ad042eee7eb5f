"""Vertex's control plane in Docker, by a user's unmodified vertex_ray: clusters, identities, jobs, kills."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator

import pytest

from cluster.docker.engine import DockerEngine, connect
from tests.integration.vertexlab import Script, VertexLab
from tests.lab import until
from tests.labcloud import AGENT, TRAINER

pytestmark = pytest.mark.docker

AGENT_ADDRESS, TRAINER_ADDRESS = (one.removeprefix("serviceAccount:") for one in (AGENT, TRAINER))
ROUNDS = 5  # of a job that makes an autoscaled pool grow
CONNECTIONS = 20  # of Ray Client with a runtime environment
LIVES = 10  # each has three kills
KILLS = "tests/integration/test_docker_vertex.py::test_three_kills_lose_nothing_and_leave_nothing"


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    found = connect()
    yield found
    found.client.close()


@pytest.mark.covers("vertex_ray.ClientBuilder", "vertex_ray.get_job_submission_client_cluster_info")
def test_two_clusters_are_who_they_were_created_as(clusters: VertexLab, script: Script) -> None:
    """Through the Job API and Ray Client; the log comes over the websocket. Then one of them grows."""
    (both,) = script.told("use")
    pools = [["head-node", 0, 0], ["worker-pool1", 1.0, 0], ["worker-pool2", 1.0, 1.0]]
    hello = "hello from lab-data\n"
    assert both["client"] == ["_VertexRayClientContext", AGENT_ADDRESS, True, [pool[0] for pool in pools]]
    assert both["main"] == ["SUCCEEDED", [AGENT_ADDRESS, AGENT_ADDRESS, hello, pools]]
    merged = [["head-node", 0, 0], ["head-node", 1.0, 0]]
    assert both["trained"] == ["SUCCEEDED", [TRAINER_ADDRESS, TRAINER_ADDRESS, "Forbidden", merged]]
    (grown,) = script.told("grow")
    assert grown["grown"][1][3] == [*pools[:2], *pools[1:]]


@pytest.mark.parametrize(
    "life", [0, *(pytest.param(life, marks=pytest.mark.nightly(f"{KILLS}[0]")) for life in range(1, LIVES))]
)
def test_three_kills_lose_nothing_and_leave_nothing(vertex_lab: VertexLab, script: Script, life: int) -> None:
    """Killed amid creation, amid a job and a Ray Client session, amid deletion; each at another time."""
    name, moments = f"killed-{life}", random.Random(life)
    assert script.told("start", name) == [{"asked": name}]
    kill(vertex_lab, moments.uniform(0, 8))

    session = script.ask("session", name)
    assert next(session) == {"connected": name}
    assert vertex_lab.nodes_of(name) != []
    kill(vertex_lab, moments.uniform(0, 5))
    assert list(session) == [{"status": "SUCCEEDED", "log": True, "count": True}]

    assert script.told("delete", name) == [{"asked": name}]
    kill(vertex_lab, moments.uniform(0, 3))
    assert script.told("gone", name) == [{"left": []}]
    until(lambda: vertex_lab.nodes_of(name) == [])


def kill(lab: VertexLab, seconds: float) -> None:
    """The control plane, after so many seconds; then it is started again."""
    time.sleep(seconds)
    lab.compose("kill", "vertex")
    lab.compose("up", "--no-build", "--detach", "--wait", "--no-recreate", "--no-deps", "vertex")


UNIT = "tests/unit/cloud/vertex/test_autoscaling.py::test_demand_adds_nodes_and_idle_ones_leave"


@pytest.mark.parametrize(
    "minimum", [pytest.param(low, marks=pytest.mark.nightly(f"{UNIT}[{low}]")) for low in (0, 1)]
)
def test_a_pool_grows_for_a_job_and_shrinks_again(vertex_lab: VertexLab, minimum: int) -> None:
    """Over REST. Each job needs three nodes. Get reports the pool's sizes, and `cluster status` shows them."""
    vertex_lab.restart("vertex", VERTEX_IDLE_SECONDS="20")
    try:
        done = vertex_lab.user("tests/jobs/vertex_autoscale.py", str(minimum), str(ROUNDS), seconds=3600)
    finally:
        vertex_lab.restart("vertex")
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = json.loads(done.stdout.splitlines()[-1])
    assert [(status, nodes) for status, nodes, *_ in rounds] == [("SUCCEEDED", "3")] * ROUNDS
    sizes = [(found[0], max(found), found[-1]) for _, _, found, _ in rounds]
    assert sizes == [(minimum, 3, minimum)] * ROUNDS
    largest, smallest = f"3 ({minimum}-3)", f"{minimum} ({minimum}-3)"
    assert [(seen[0], largest in seen, seen[-1]) for *_, seen in rounds] == [
        (smallest, True, smallest)
    ] * ROUNDS


@pytest.mark.nightly(
    "tests/integration/test_docker_vertex_submit.py::test_the_docs_commands_for_this_machine_as_written"
)
def test_ray_client_with_a_runtime_environment(clusters: VertexLab) -> None:
    """Environment variables, a package and a working directory, each time in a new process."""
    done = clusters.user("tests/jobs/vertex_runtime_env.py", "main", str(CONNECTIONS), seconds=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = json.loads(done.stdout.splitlines()[-1])
    assert [found for found, _ in rounds] == [[str(n), "1,000", str(n)] for n in range(CONNECTIONS)]


def test_nodes_reach_no_socket_and_no_key(clusters: VertexLab, engine: DockerEngine) -> None:
    """Only the control plane has the engine's socket, and it publishes no port."""
    found = engine.containers(clusters.project)
    assert any(one.labels["com.docker.compose.service"] == "vertex-node" for one in found)
    with_socket = [
        one.labels["com.docker.compose.service"]
        for one in found
        if any("docker.sock" in mount.get("Source", "") for mount in one.attrs["Mounts"])
    ]
    assert with_socket == ["vertex"]
    (vertex,) = engine.containers(clusters.project, "vertex")
    assert vertex.attrs["HostConfig"]["PortBindings"] in ({}, None)
    assert vertex.attrs["HostConfig"]["CapDrop"] == ["ALL"]
    assert vertex.attrs["HostConfig"]["CapAdd"] == ["DAC_READ_SEARCH"]
