"""The Docker cluster: what is particular to it. Its life is in test_cluster_runtimes.py."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.docker.engine import DockerEngine, connect, find_compose, member
from cluster.errors import NoRegistry
from tests.lab import Lab, cluster_command, lab_environment, until

pytestmark = pytest.mark.docker


@pytest.fixture
def engine() -> Iterator[DockerEngine]:
    found = connect()
    yield found
    found.client.close()


def test_the_images_are_there_and_nothing_is_built(images: dict[str, str]) -> None:
    done = cluster_command(os.environ, "images")
    assert (done.returncode, done.stdout) == (0, "All images are up to date.\n")


def test_the_container_that_was_lost_is_the_one_removed(docker_lab: Lab, engine: DockerEngine) -> None:
    """Compose itself would remove the one with the highest number; and it agrees with the size afterwards."""
    lab, project = docker_lab, docker_lab.project

    def workers() -> dict[str, str]:
        return {member(found).name: found.id for found in engine.containers(project, "cpu-worker")}

    before = workers()
    first, second = sorted(before)
    engine.client.containers.get(before[first]).kill()
    try:
        done = lab.cluster("scale", "cpu-worker=1")
        assert done.returncode == 0, done.stderr
        assert workers() == {second: before[second]}
    finally:
        assert lab.cluster("scale", "cpu-worker=2").returncode == 0
    assert len(workers()) == 2


def test_a_worker_that_docker_restarted_is_one_row_all_the_while(
    docker_lab: Lab, engine: DockerEngine
) -> None:
    """Docker restarts its container at once; Ray takes the old node for alive for some time."""
    before = {node["name"]: node["id"] for node in docker_lab.nodes()}
    (container,) = engine.containers(docker_lab.project, "gpu-worker")
    container.exec_run(["python3", "-c", "import os; os.kill(-1, 9)"])

    def runs_again() -> bool:
        nodes = docker_lab.nodes()
        assert [node["name"] for node in nodes] == list(before)
        return any(
            (node["name"], node["state"]) == ("gpu-worker-1", "ALIVE") and node["id"] not in before.values()
            for node in nodes
        )

    until(runs_again)


def test_a_port_that_is_taken(tmp_path: Path, engine: DockerEngine, images: dict[str, str]) -> None:
    env = lab_environment(tmp_path)
    port = int(env["RAYDOCK_PORT"])
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an earlier test may have used it
        server.bind(("127.0.0.1", port))
        server.listen()
        done = cluster_command(env, "up", "--runtime", "docker")
    assert done.returncode == 1
    assert "cluster: docker: chosen with --runtime\n" in done.stderr
    assert done.stderr.endswith(
        f"cluster: Port {port} is already in use by another program.\n"
        f"  Choose another port: RAYDOCK_PORT={port + 1} make cluster-up\n"
    )
    assert engine.resources(env["COMPOSE_PROJECT_NAME"]) == []


def test_what_can_not_be_pulled(engine: DockerEngine) -> None:
    with pytest.raises(NoRegistry) as caught:
        engine.require_pullable("localhost:9/no/such:image", seconds=5)
    assert str(caught.value).startswith("Cannot pull the image localhost:9/no/such:image: ")


def test_a_client_that_speaks_compose_is_found() -> None:
    assert find_compose()[-1] in ("compose", "/usr/bin/docker-compose", "/usr/local/bin/docker-compose")
