"""Clusters and images for the tests, and one loud line where no Docker engine answers."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cluster import key
from cluster.nodes import Dashboard

ROOT = Path(__file__).resolve().parent.parent
NO_ENGINE = (
    "NO DOCKER ENGINE ANSWERS: the tests of the images and of the Docker cluster are SKIPPED. "
    "Start one, then run `make test` again; REQUIRE_DOCKER=1 makes this a failure."
)
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell's background job would hand on that it is ignored
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # the fixtures below clean up themselves


def engine_answers() -> bool:
    """Whether a Docker engine answers on this machine."""
    import docker

    try:
        client = docker.from_env(timeout=10)
    except docker.errors.DockerException:
        return False
    client.close()
    return True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `docker` are skipped without an engine, or fail where one is required.

    Those of the clusters that many tests share come last, and one kind after the other: a cluster that idles takes
    a tenth of this machine, which the other tests would miss.
    """
    items.sort(key=place)
    wanted = [item for item in items if item.get_closest_marker("docker")]
    config.stash[SKIPPED] = False
    if not wanted or engine_answers():
        return
    if os.environ.get("REQUIRE_DOCKER"):
        pytest.exit(
            "REQUIRE_DOCKER is set and no Docker engine answers: start one (`docker info`).", returncode=1
        )
    config.stash[SKIPPED] = True
    for item in wanted:
        item.add_marker(pytest.mark.skip(reason="no Docker engine answers"))


def place(item: pytest.Item) -> int:
    """0 for most tests; 1 and 2 for those of the shared processes cluster, and of the shared one in Docker."""
    if "shared" not in getattr(item, "fixturenames", ()):
        return 0
    return 2 if item.get_closest_marker("docker") else 1


SKIPPED = pytest.StashKey[bool]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The one loud line."""
    if config.stash.get(SKIPPED, False):
        terminalreporter.write_line("")
        terminalreporter.write_line(NO_ENGINE, red=True, bold=True)


def free_port() -> int:
    """A port below Ray's range of worker ports (10002 to 19999), free now."""
    for port in range(8300, 9900):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port between 8300 and 9900")


@dataclass(frozen=True)
class Lab:
    """A running cluster: its kind, and the environment in which our commands reach it."""

    kind: str
    env: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.env['RAYDOCK_PORT']}"

    @property
    def dashboard(self) -> Dashboard:
        """The gateway, with the key as it is now."""
        return Dashboard(self.url, key.read(Path(self.env["RAYDOCK_STATE"])))

    @property
    def headers(self) -> dict[str, str]:
        """What lets a request in."""
        return {"Authorization": f"Bearer {self.dashboard.key}"}

    @property
    def reach(self) -> dict[str, str]:
        """The settings by which submit.py finds it."""
        return {name: self.env[name] for name in ("RAYDOCK_PORT", "RAYDOCK_STATE")}

    def cluster(self, *words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`python -m cluster …` in this lab's environment."""
        return cluster_command(self.env, *words, timeout=timeout)


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
        "RAYDOCK_PORT": str(free_port()),
        "RAYDOCK_STATE": str(directory),
        "CPU_WORKERS": "2",
        "GPU_WORKERS": "1",
    }
    bundle = os.environ.get("RAYDOCK_CA_BUNDLE") or os.environ.get("PIP_CERT")
    if bundle:  # a network that re-signs TLS: runtime envs in the containers need its certificate too
        env["RAYDOCK_CA_BUNDLE"] = bundle
    return env | {"LAB_WAY_OUT": index_network()} | more


def index_network() -> str:
    """Where the package index is reached by an address that is not public, that address: jobs install too."""
    from pip._internal.models.index import PyPI

    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(PyPI.netloc, 443, socket.AF_INET)}
    except OSError:
        return ""
    return ",".join(f"{one}/32" for one in sorted(found) if not ipaddress.ip_address(one).is_global)


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """The images of the cluster by service, built where they are missing or out of date."""
    done = cluster_command(os.environ, "images", "--build", timeout=3000)
    assert done.returncode == 0, done.stdout + done.stderr
    prefix = os.environ.get("RAYDOCK_IMAGE_PREFIX", "raydock")
    services = ("head", "cpu-worker", "gpu-worker", "cloud", "storage")
    return {service: f"{prefix}/{service}:2.47.1" for service in services}


@pytest.fixture(scope="session")
def docker_client() -> Iterator[Any]:
    """The Docker SDK's client."""
    import docker

    client = docker.from_env(timeout=120)
    yield client
    client.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the clusters keep their state that many tests share."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def docker_lab(images: dict[str, str], shared: Path) -> Iterator[Lab]:
    """The compose cluster, once a run, started by testcontainers as anyone's `docker compose up --wait`."""
    from testcontainers.compose import DockerCompose

    from cluster.engine import find_compose

    # Tokens that last for seconds: whatever is tested here lives through their end.
    env = lab_environment(shared / "docker", LAB_TOKEN_TTL="5")
    env["RAYDOCK_KEY_SHA256"] = key.digest(key.ensure(Path(env["RAYDOCK_STATE"])))
    file = shared / "lab.env"
    names = ("COMPOSE_PROJECT_NAME", "RAYDOCK_PORT", "CPU_WORKERS", "GPU_WORKERS", "RAYDOCK_CA_BUNDLE")
    more = ("RAYDOCK_KEY_SHA256", "LAB_TOKEN_TTL", "LAB_WAY_OUT")
    file.write_text("".join(f"{name}={env[name]}\n" for name in (*names, *more) if name in env))
    compose = DockerCompose(str(ROOT), env_file=str(file), wait=True, docker_command_path=find_compose()[0])
    try:
        with compose:
            yield Lab("docker", env)
    finally:
        cluster_command(env, "down")


def running(kind: str, env: dict[str, str]) -> Iterator[Lab]:
    """A cluster that our own command starts and ends."""
    done = cluster_command(env, "up", "--kind", kind)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        yield Lab(kind, env)
    finally:
        ended = cluster_command(env, "down")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("processes", marks=pytest.mark.ray),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def lab(request: pytest.FixtureRequest, shared: Path) -> Iterator[Lab]:
    """Each kind of cluster in turn: one suite for all of them. The first is down before the second is up."""
    if request.param == "docker":
        yield request.getfixturevalue("docker_lab")
    else:
        yield from running("processes", lab_environment(shared / "processes"))
