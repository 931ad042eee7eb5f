"""The Compose commands of `up` and `scale`: they leave running containers alone and keep pool sizes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.build.inputs import BuildInputs
from cluster.docker import compose, engine, mounts
from cluster.docker.build_record import LABEL, BuildRecord
from cluster.docker.cluster import ComposeCluster
from cluster.docker.engine import LocalImage
from cluster.runtimes import Context, Rebuild
from cluster.state import applied, key, started
from cluster.state.logs import LogFile
from raydock import topology
from raydock.settings import ROOT


def container(pool: str, number: int = 1, status: str = "running", label: str = "") -> Any:
    labels = {engine.SERVICE: pool, engine.NUMBER: str(number), **({LABEL: label} if label else {})}
    attrs = {"State": {"StartedAt": "2026-01-31T12:00:00.0Z"}, "Config": {"Hostname": "h"}}
    made = SimpleNamespace(
        name=f"raydock-{pool}-{number}", labels=labels, attrs=attrs, status=status, gone=False
    )
    made.stop, made.remove = lambda timeout: None, lambda v, force: setattr(made, "gone", True)
    return made


class Here:
    """An engine with these containers, and every image, built from this checkout."""

    def __init__(self, found: Context, *containers: Any) -> None:
        self.there, self.context = containers, found

    def containers(self, project: str, service: str = "") -> list[Any]:
        return [one for one in self.there if service in ("", one.labels[engine.SERVICE])]

    def gpu_overlay(self) -> str:
        return ""

    def image(self, name: str) -> LocalImage | None:
        service = name.partition("/")[2].partition(":")[0]
        if service not in self.context.topology.builds:
            return None
        build = self.context.topology.builds[service]
        return LocalImage("1", {LABEL: BuildRecord(name, INPUTS.digest(build), "base").as_label()})


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
    made.__dict__["engine"] = Here(found, *containers)  # where cached_property keeps it
    return made


INPUTS = BuildInputs(ROOT)
NOW = {
    name: BuildRecord(f"raydock/{name}:2.47.1", INPUTS.digest(build), "base").as_label()
    for name, build in topology.load(ROOT, {}).builds.items()
}
UP = ["up", "--detach", "--no-build"]
NODES = tuple(
    container(name, number, label=NOW[name])
    for name, number in (("head", 1), ("cpu-worker", 1), ("cpu-worker", 2), ("cloud", 1))
)


def test_a_new_cluster_has_the_configured_sizes(tmp_path: Path, ran: list[Any]) -> None:
    cluster(tmp_path).up(Rebuild.CHANGED)
    assert ran[0][0] == UP
    assert started.runtime(tmp_path) == "docker"


@pytest.mark.parametrize("profile", ["", "vertex"])
def test_existing_containers_are_never_recreated(tmp_path: Path, ran: list[Any], profile: str) -> None:
    cluster(tmp_path, *NODES, COMPOSE_PROFILES=profile).up(Rebuild.CHANGED)
    assert ran[0][0] == [*UP, "--no-recreate", "--scale=cpu-worker=2"]


def test_exactly_the_containers_of_older_images_are_replaced(tmp_path: Path, ran: list[Any]) -> None:
    old = BuildRecord("raydock/cloud:2.47.1", "other", "base").as_label()
    containers = [*NODES[:3], container("cloud", label=old), container("notebook", label=old)]
    found = cluster(tmp_path, *containers, COMPOSE_PROFILES="notebook")
    said: list[str] = []
    object.__setattr__(found, "context", replace(found.context, say=said.append))
    assert found.outdated(Rebuild.CHANGED) == ["cloud"]
    found.up(Rebuild.CHANGED)
    assert [one.name for one in containers if one.gone] == ["raydock-cloud-1"]
    assert ran[0][0] == [*UP, "--no-recreate", "--scale=cpu-worker=2"]
    assert said[0] == (
        "notebook: its older container keeps running, because a new one would lose the files in it; "
        "to replace it: docker compose rm --stop --force notebook"
    )


def test_a_pool_keeps_the_size_set_by_scale_even_zero(tmp_path: Path, ran: list[Any]) -> None:
    started.scaled(tmp_path, "gpu-worker", 0)
    started.scaled(tmp_path, "cpu-worker", 3)  # one of them was removed by hand
    cluster(tmp_path, *NODES).up(Rebuild.CHANGED)
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
    found.up(Rebuild.CHANGED)
    found.up(Rebuild.CHANGED, restart=True)
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
