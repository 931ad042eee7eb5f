"""The Compose commands of `up` and `scale`: they leave running containers alone and keep pool sizes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.docker import compose, engine, mounts
from cluster.docker.cluster import ComposeCluster
from cluster.runtimes import Context
from cluster.state import applied, key, started
from cluster.state.logs import LogFile
from raydock import topology
from raydock.settings import ROOT


def container(pool: str, number: int = 1, status: str = "running") -> Any:
    labels = {engine.SERVICE: pool, engine.NUMBER: str(number)}
    attrs = {"State": {"StartedAt": "2026-01-31T12:00:00.0Z"}, "Config": {"Hostname": "h"}}
    return SimpleNamespace(name=f"raydock-{pool}-{number}", labels=labels, attrs=attrs, status=status)


class Here:
    """An engine with these containers and every image."""

    def __init__(self, *containers: Any) -> None:
        self.there = containers

    def containers(self, project: str, service: str = "") -> list[Any]:
        return [one for one in self.there if service in ("", one.labels[engine.SERVICE])]

    def gpu_overlay(self) -> str:
        return ""

    def has_image(self, name: str) -> bool:
        return True


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """The Compose commands, without what precedes the verb, and their environments."""
    found: list[tuple[list[str], dict[str, str]]] = []

    def record(log: LogFile, command: list[str], seconds: float, on_line: object, env: dict[str, str]) -> int:
        found.append(([word for word in command[command.index("up") :] if "wait" not in word], env))
        return 0

    monkeypatch.setattr(LogFile, "run", record)
    monkeypatch.setattr(compose, "find_compose", lambda: ("docker", "compose"))
    monkeypatch.setattr("cluster.ports.require_free", lambda port: None)
    monkeypatch.setattr(mounts, "require_readable", lambda context: None)
    return found


def cluster(state: Path, *containers: Any, **settings: str) -> ComposeCluster:
    found = Context(ROOT, state, settings, topology.load(ROOT, settings), lambda line: None)
    made = ComposeCluster(found)
    made.__dict__["engine"] = Here(*containers)  # where cached_property keeps it
    return made


UP = ["up", "--detach", "--no-build"]
NODES = (container("head"), container("cpu-worker", 1), container("cpu-worker", 2), container("cloud"))


def test_a_new_cluster_has_the_configured_sizes(tmp_path: Path, ran: list[Any]) -> None:
    cluster(tmp_path).up(build=False)
    assert ran[0][0] == UP
    assert started.runtime(tmp_path) == "docker"


@pytest.mark.parametrize("profile", ["", "vertex"])
def test_existing_containers_are_never_recreated(tmp_path: Path, ran: list[Any], profile: str) -> None:
    cluster(tmp_path, *NODES, COMPOSE_PROFILES=profile).up(build=False)
    assert ran[0][0] == [*UP, "--no-recreate", "--scale=cpu-worker=2"]


def test_a_pool_keeps_the_size_set_by_scale_even_zero(tmp_path: Path, ran: list[Any]) -> None:
    started.scaled(tmp_path, "gpu-worker", 0)
    started.scaled(tmp_path, "cpu-worker", 3)  # one of them was removed by hand
    cluster(tmp_path, *NODES).up(build=False)
    assert ran[0][0][-2:] == ["--scale=cpu-worker=3", "--scale=gpu-worker=0"]


def test_scaling_does_not_use_no_deps(tmp_path: Path, ran: list[Any]) -> None:
    """With --no-deps, containers get a different hash than from `up`, which would then recreate them."""
    found = cluster(tmp_path, *NODES)
    found.grow(found.context.topology.pool("cpu-worker"), 3)
    assert ran[0][0] == [*UP, "--no-recreate", "--scale=cpu-worker=3", "cpu-worker"]


def test_changed_node_settings_apply_only_with_a_restart(
    tmp_path: Path, ran: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    key.ensure(tmp_path)
    applied.save(tmp_path, applied.current_settings(cluster(tmp_path, HEAD_SHM="1g").context))
    monkeypatch.setenv("HEAD_SHM", "2g")
    found = cluster(tmp_path, *NODES, HEAD_SHM="2g")
    found.up(build=False)
    found.up(build=False, restart=True)
    assert [env["HEAD_SHM"] for _, env in ran] == ["1g", "2g"]
    assert ran[1][0] == [*UP, "--force-recreate", "--scale=cpu-worker=2"]


def test_a_profile_changes_no_other_service() -> None:
    """Needs the `docker compose` command, but no engine."""
    docker = shutil.which("docker")
    if (
        not docker
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("there is no `docker compose` command here")

    def hashes(*profiles: str) -> set[str]:
        command = [docker, "compose", "-f", str(ROOT / "compose.yaml"), *profiles, "config", "--hash", "*"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return set(done.stdout.splitlines())

    for profile, services in (("vertex", {"vertex"}), ("kubernetes", {"kubernetes", "kuberay"})):
        plain, more = hashes(), hashes("--profile", profile)
        assert plain < more
        assert {line.split()[0] for line in more - plain} == services
