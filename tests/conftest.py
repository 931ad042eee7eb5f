"""Shared clusters and images, the order of the tests, and one loud line if no Docker engine answers."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from cluster.state import key
from tests import images as image_build
from tests import kubeserver
from tests.integration.footprint import owned
from tests.kubeserver import KubeServer
from tests.lab import ROOT, Lab, cluster_command, lab_environment

NO_ENGINE = (
    "NO DOCKER ENGINE ANSWERS: the tests of the images and of the Docker cluster are SKIPPED. "
    "Start one, then run `make test` again; REQUIRE_DOCKER=1 makes this a failure."
)
REQUIRED = "REQUIRE_DOCKER is set and no Docker engine answers: start one (`docker info`)."
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell's background job would hand on that it is ignored
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # the fixtures below clean up themselves

# No deadlines: they would depend on the machine. `make test-all` uses the second profile.
PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("gate", max_examples=100, derandomize=True, **PATIENT)
settings.register_profile("nightly", max_examples=2000, **PATIENT)
settings.load_profile("gate")

# Each group runs in one pytest process, because its tests share clusters and pick ports; in the order in which they
# start. The images are ready by the time `docker` starts.
GROUPS = ("ray", "docker", "vertex")


@functools.cache
def engine_answers() -> bool:
    """Whether a Docker engine answers on this machine."""
    import docker

    try:
        client = docker.from_env(timeout=10)
    except docker.errors.DockerException:
        return False
    client.close()
    return True


def group(item: pytest.Item) -> str:
    """The test's group; empty if it needs no cluster."""
    if "vertex_lab" in getattr(item, "fixturenames", ()):
        return "vertex"
    return next((name for name in ("docker", "ray") if item.get_closest_marker(name)), "")


def place(item: pytest.Item) -> tuple[int, bool]:
    """Sort key: unit tests, other tests without a cluster, then each group, its shared clusters last."""
    found = group(item)
    fixtures = getattr(item, "fixturenames", ())
    if found:
        return 2 + GROUPS.index(found), bool({"lab", "docker_lab", "processes_lab"} & {*fixtures})
    return (0 if item.nodeid.startswith("tests/unit/") else 1), False


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the tests so that a fault shows up early."""
    items.sort(key=place)
    for item in items:
        if found := group(item):
            item.add_marker(pytest.mark.xdist_group(found))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fails if pytest-xdist splits the groups: every process would start every shared cluster."""
    if getattr(session.config.option, "loadgroup", False):
        for item in session.items:
            if (found := group(item)) and not item.nodeid.endswith(f"@{found}"):
                raise pytest.UsageError(f"pytest-xdist does not group {item.nodeid}: see requirements/dev.in")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `docker` are skipped without an engine, or fail where one is required."""
    if item.get_closest_marker("docker") and not engine_answers():
        if os.environ.get("REQUIRE_DOCKER"):
            pytest.fail(REQUIRED, pytrace=False)
        pytest.skip("no Docker engine answers")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The one loud line."""
    skipped = terminalreporter.stats.get("skipped", ())
    if any("no Docker engine answers" in str(report.longrepr) for report in skipped):
        terminalreporter.write_line("")
        terminalreporter.write_line(NO_ENGINE, red=True, bold=True)


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """The images of the cluster by service, built where they are missing or out of date."""
    return image_build.build()


@pytest.fixture(scope="session")
def docker_client() -> Iterator[Any]:
    """The Docker SDK's client."""
    import docker

    client = docker.from_env(timeout=120)
    yield client
    client.close()


@pytest.fixture(scope="session")
def docker_lab(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The compose cluster, once a run, started by testcontainers as anyone's `docker compose up --wait`."""
    from testcontainers.compose import DockerCompose

    from cluster.docker.engine import find_compose

    # Tokens that last for seconds, so that every test outlives some; with 5 s, one expired between two requests of a
    # command on a busy machine.
    env = lab_environment(tmp_path_factory.mktemp("docker"), LAB_TOKEN_TTL="15")
    env["RAYDOCK_KEY_SHA256"] = key.digest(key.ensure(Path(env["RAYDOCK_STATE"])))
    file = tmp_path_factory.mktemp("shared") / "lab.env"
    names = ("COMPOSE_PROJECT_NAME", "RAYDOCK_PORT", "RAYDOCK_IMAGE_PREFIX", "CPU_WORKERS", "GPU_WORKERS")
    more = ("RAYDOCK_CA_BUNDLE", "RAYDOCK_KEY_SHA256", "LAB_TOKEN_TTL", "LAB_EGRESS_ALLOW")
    file.write_text("".join(f"{name}={env[name]}\n" for name in (*names, *more) if name in env))
    compose = DockerCompose(str(ROOT), env_file=str(file), wait=True, docker_command_path=find_compose()[0])
    try:
        with compose:
            yield Lab("docker", env)
    finally:
        cluster_command(env, "down")


@pytest.fixture(scope="session")
def processes_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The processes cluster, once a run.

    Its person is logged in to Google in every way there is, and has a Ray that is none of its business.
    """
    folder = tmp_path_factory.mktemp("processes")
    login = folder / ".config" / "gcloud" / "application_default_credentials.json"
    login.parent.mkdir(parents=True)
    # It would be used before the metadata server, were it found.
    login.write_text(
        '{"type": "authorized_user", "client_id": "me", "client_secret": "me", "refresh_token": "me"}'
    )
    own = {"HOME": str(folder), "GOOGLE_APPLICATION_CREDENTIALS": str(login), "GOOGLE_CLOUD_PROJECT": "mine"}
    own["RAY_ADDRESS"] = "http://nowhere:1"
    found = Lab("processes", lab_environment(folder / "state", **own))
    try:
        done = found.cluster("up", "--runtime", "processes")
        assert done.returncode == 0, done.stdout + done.stderr
        yield found
    finally:
        ended = cluster_command(found.env, "down")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert owned(found) == []


@pytest.fixture(scope="session")
def kube_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeServer]:
    """A real Kubernetes API server. Tests use namespaces of their own."""
    with kubeserver.kube_server(tmp_path_factory.mktemp("k")) as found:
        yield found


@pytest.fixture(scope="session")
def kubernetes_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The RayCluster of `python -m cluster manifest`, once a run, with the lab's Google Cloud."""
    from tests import kubecontroller, kubelab

    folder = tmp_path_factory.mktemp("kubernetes")
    if context := os.environ.get(kubelab.CONTEXT):
        config = Path(os.environ.get("KUBECONFIG") or "~/.kube/config").expanduser()
        with kubelab.kubernetes_lab(config, context, folder) as found:
            yield found
        return
    server: KubeServer = request.getfixturevalue("kube_server")
    config = server.kubeconfig(folder / "config", kubeserver.ADMIN)
    with (
        kubecontroller.controlled(server, kubelab.NAMESPACE, folder / "pods"),
        kubelab.kubernetes_lab(config, "real", folder) as found,
    ):
        yield found


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("processes", marks=pytest.mark.ray),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def lab(request: pytest.FixtureRequest) -> Lab:
    """Each kind of cluster in turn. A test may parametrize it with others, named after their fixtures."""
    found: Lab = request.getfixturevalue(f"{request.param}_lab")
    return found
