"""What `down` asks, removes and keeps."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import down, runtimes
from cluster.docker import engine
from cluster.docker.cluster import ComposeCluster
from cluster.docker.compose import Compose
from cluster.docker.engine import DockerEngine
from cluster.errors import NoEngine
from cluster.processes import record, temp_dir
from cluster.processes.cluster import ProcessesCluster
from cluster.runtimes import Context, Rebuild
from cluster.state import key, logs, started
from raydock import topology
from raydock.settings import ROOT
from tests.unit.cluster.test_cli import Half, nothing_is_up, run

__all__ = ["nothing_is_up"]
QUESTION = """\
Deletes the cluster (processes) and the jobs running on it; the lab's buckets, objects and grants.
Keeps the results of your jobs in STATE/results.
To keep the lab's buckets, objects and grants: python -m cluster down --keep-data
Continue? [y/N] """


class Kept(Half):
    """A cluster of processes; records how it was removed."""

    def __init__(self, name: str = "processes") -> None:
        self.name = name
        self.removed: list[bool] = []

    def exists(self) -> bool:
        return self.name == "processes"

    def down(self, keep_data: bool = False) -> list[str]:
        self.removed.append(keep_data)
        return ["3 processes"]


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kept:
    cluster = Kept()
    monkeypatch.setattr(
        runtimes, "open_runtime", lambda name, context: cluster if name == cluster.name else Kept("none")
    )
    (tmp_path / "state" / "results").mkdir(parents=True)
    return cluster


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A terminal whose user types this."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    monkeypatch.setattr("cluster.confirmation.is_possible", lambda: True)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)


@pytest.mark.parametrize("text", ["y\n", "YES\n"])
def test_on_a_terminal_it_says_what_goes_and_what_stays_and_asks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, up: Kept, text: str
) -> None:
    answer(monkeypatch, text)
    asked = QUESTION.replace("STATE", str(tmp_path / "state"))
    assert run(capsys, "down") == (0, "Removed: 3 processes.\n", asked)
    assert up.removed == [False]


@pytest.mark.parametrize("text", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_removed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, up: Kept, text: str
) -> None:
    answer(monkeypatch, text)
    secret = key.ensure(tmp_path / "state")
    status, out, said = run(capsys, "down")
    assert (status, out, up.removed) == (1, "", [])
    assert said.endswith("cluster: Nothing was removed.\n  Answer y to confirm, or add --yes.\n")
    assert key.read(tmp_path / "state") == secret


def test_with_yes_or_without_a_terminal_it_does_not_ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, up: Kept
) -> None:
    assert run(capsys, "down") == (0, "Removed: 3 processes.\n", "")
    answer(monkeypatch, "")
    assert run(capsys, "down", "--yes") == (0, "Removed: 3 processes.\n", "")


def test_keep_data_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, up: Kept
) -> None:
    answer(monkeypatch, "y\n")
    logs.named(tmp_path / "state", "head").open().close()
    status, out, said = run(capsys, "down", "--keep-data")
    assert (status, out) == (0, f"Removed: 3 processes.\nKept: {down.DATA}.\n")
    assert said.splitlines()[1].startswith(f"Keeps {down.DATA}; the results of your jobs in ")
    assert up.removed == [True]
    assert started.data(tmp_path / "state") == ["processes"]
    assert not logs.folder(tmp_path / "state").exists()


def context(state: Path) -> Context:
    return Context(ROOT, state, {}, topology.load(ROOT, {}), lambda line: None)


class Volumes:
    """An engine with a container and the project's volumes."""

    def __init__(self) -> None:
        self.left = ["cloud", "storage", "vertex"]
        self.containers_left = True

    def volumes(self, project: str) -> list[Any]:
        return [self.volume(project, name) for name in self.left]

    def volume(self, project: str, name: str) -> Any:
        labels = {"Labels": {engine.VOLUME: name}}
        return SimpleNamespace(name=f"{project}_{name}", attrs=labels, remove=lambda: self.left.remove(name))

    def resources(self, project: str) -> list[str]:
        volumes = [f"volume {volume.name}" for volume in self.volumes(project)]
        return [*(["container raydock-head-1"] if self.containers_left else []), *volumes]

    def remove_networks(self, project: str) -> None:
        pass

    remove_volumes = DockerEngine.remove_volumes


def test_docker_keeps_the_volumes_with_the_labs_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, there = ComposeCluster(context(tmp_path)), Volumes()
    cluster.__dict__["engine"] = there  # where cached_property keeps it
    ran = list[tuple[str, ...]]()

    def compose(self: Compose, *words: str, **_: object) -> None:
        ran.append(words)
        there.containers_left = False

    monkeypatch.setattr(Compose, "run", compose)
    assert (cluster.exists(), cluster.kept_data()) == (True, [])
    assert cluster.down(keep_data=True) == ["container raydock-head-1", "volume raydock_vertex"]
    assert "--volumes" not in ran[0]
    data = ["volume raydock_cloud", "volume raydock_storage"]
    assert (cluster.exists(), cluster.kept_data()) == (False, data)
    assert cluster.down() == data
    assert "--volumes" in ran[1]
    assert there.left == []


def test_data_kept_in_docker_is_not_forgotten_while_the_engine_is_down(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    started.keep_data(tmp_path / "state", "docker")
    status, _, said = run(capsys, "down")
    assert status == NoEngine.exit_code
    assert "The cluster raydock was started there" in said


def test_processes_keep_the_folder_with_the_labs_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temp_dir, "TEMP", str(tmp_path))
    state = tmp_path / "state"
    state.mkdir()
    cluster, temp = ProcessesCluster(context(state)), Path(temp_dir.make(state))
    (temp / "cloud" / "objects").mkdir()
    (temp / "cloud" / "world.json").write_text("{}")
    older = Path(temp_dir.make(state))  # left by an interrupted `up`, without data
    assert set(cluster.down(keep_data=True)) == {str(temp), str(older)}
    assert cluster.kept_data() == [f"{state}/lab-data"]
    assert not cluster.exists()
    again = Path(temp_dir.make(state))
    assert (again / "cloud" / "objects").is_dir()
    assert cluster.kept_data() == []
    cluster.down(keep_data=True)
    assert cluster.down() == [f"{state}/lab-data"]
    assert cluster.kept_data() == []


def test_up_cleans_up_a_stale_cluster_and_keeps_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the machine. The recorded process id is another program's now: this one's."""
    monkeypatch.setattr(temp_dir, "TEMP", str(tmp_path))
    monkeypatch.setattr("cluster.ports.require_free", lambda port: None)
    monkeypatch.setattr(ProcessesCluster, "complete", lambda cluster: None)
    state, said = tmp_path / "state", list[str]()
    state.mkdir()
    temp = Path(temp_dir.make(state))
    (temp / "cloud" / "world.json").write_text("{}")
    head = record.NodeProcess("head", "head", os.getpid(), 0, tuple(range(20001, 20011)))
    record.save(state, record.ProcessesRecord(str(temp), 8265, (head,)))
    ProcessesCluster(replace(context(state), say=said.append)).up(Rebuild.CHANGED)
    assert said == ["found a stale cluster; removing it, but keeping the lab's data"]
    found = record.load(state)
    assert found is not None
    assert (found.temp, found.head.pid) != (str(temp), os.getpid())
    assert not temp.exists()
    assert (Path(found.temp) / "cloud" / "world.json").read_text() == "{}"
