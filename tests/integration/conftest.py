"""The lab with Vertex's control plane, shared by its tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster import ports
from tests.integration.footprint import belongings
from tests.integration.vertexlab import Script, VertexLab, started
from tests.lab import cluster_command, lab_environment, until


@pytest.fixture(scope="session")
def vertex_lab(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[VertexLab]:
    """`make notebook`, and finally `make cluster-down`, which removes running clusters too."""
    home = tmp_path_factory.mktemp("user")
    home.chmod(0o777)  # the container's user is another
    more = {
        "COMPOSE_PROFILES": "vertex,notebook",
        "CPU_WORKERS": "0",
        "GPU_WORKERS": "0",
        "VERTEX_NODE_CPUS": "1",
    }
    env = lab_environment(tmp_path_factory.mktemp("vertex"), **more)
    env["NOTEBOOK_PORT"] = str(ports.pick(1, {int(env["RAYDOCK_PORT"])})[0])
    try:
        yield started(env, home)
    finally:
        # Works even if the profile is no longer selected.
        ended = cluster_command({**env, "COMPOSE_PROFILES": ""}, "down")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert belongings(VertexLab("docker", env)) == []


@pytest.fixture(scope="session")
def script(vertex_lab: VertexLab) -> Iterator[Script]:
    """A session of vertex_ray."""
    found = Script.begin(vertex_lab)
    yield found
    if found.created:  # one is deleted, one runs and one is being created when the lab is removed
        assert found.told("delete", "main") == [{"asked": "main"}]
        assert found.told("gone", "main") == [{"left": []}]
        until(lambda: not vertex_lab.nodes_of("main"))
        found.told("start", "forgotten")
        until(lambda: vertex_lab.nodes_of("forgotten"))
    found.end()


@pytest.fixture(scope="session")
def clusters(vertex_lab: VertexLab, script: Script) -> VertexLab:
    """The lab with two clusters: main with two workers and a GPU, trained with an account of its own."""
    script.create()
    return vertex_lab
