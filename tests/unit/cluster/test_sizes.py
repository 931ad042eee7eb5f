"""The sizes that `up` chooses: what it says, what is kept, and when it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cluster import cli, runtimes, sizes
from cluster.docker.compose import Compose
from cluster.docker.engine import DockerEngine
from cluster.errors import TooSmall
from cluster.runtimes import Context, Rebuild
from cluster.state import applied, key, started
from cluster.status import Member
from raydock import machine, sizing, topology
from raydock.machine import Machine
from raydock.settings import ROOT
from raydock.sizing import GIB
from tests.lab import SIZES
from tests.unit.cluster.test_cli import Nothing

EIGHT = Machine(8, 16 * GIB)
ALL = "CPU_WORKERS, CPU_WORKER_CPUS, CPU_WORKER_MEMORY, GPU_WORKERS, GPU_WORKER_CPUS, GPU_WORKER_MEMORY, HEAD_MEMORY"


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, EIGHT)


def has(monkeypatch: pytest.MonkeyPatch, found: Machine) -> None:
    monkeypatch.setattr(sizes, "of_engine", lambda kind: found)


def context(state: Path, **settings: str) -> Context:
    return Context(ROOT, state, settings, topology.load(ROOT, settings), print)


def begun(state: Path, **settings: str) -> Context:
    """That of a cluster that `up` has started."""
    found, _ = sizes.fitted(context(state, **settings), "docker", exists=False)
    started.begin(state, "docker", found.chosen)
    applied.save(state, applied.current_settings(found))
    return found


def shape(found: Context) -> list[tuple[int, int]]:
    return [(pool.nodes, pool.cpus) for pool in found.topology.workers]


@pytest.mark.parametrize(
    ("found", "settings", "said"),
    [
        (
            EIGHT,
            {},
            "8 CPUs and 16.0 GiB: head 2.9 GiB, 2 cpu-worker (3 CPUs, 3.9 GiB), 1 gpu-worker (2 CPUs, 2.7 GiB). "
            f"To change this, set {ALL} in .env",
        ),
        (
            Machine(1, 4 * GIB),
            {},
            "1 CPU and 4.0 GiB: head 2.0 GiB, 1 cpu-worker (1 CPU, 1.4 GiB). "
            f"To change this, set {ALL} in .env",
        ),
        (
            Machine(8, 4 * GIB),
            {},
            "8 CPUs and 4.0 GiB: head 2.0 GiB, 1 cpu-worker (1 CPU, 0.7 GiB), 1 gpu-worker (1 CPU, 0.7 GiB); "
            f"there is only enough memory for 2 CPUs. To change this, set {ALL} in .env",
        ),
        (
            Machine(2, 4 * GIB),
            {"CPU_WORKERS": "2", "GPU_WORKERS": "1", "HEAD_MEMORY": "3g"},
            "2 CPUs and 4.0 GiB: head 3.0 GiB, 2 cpu-worker (1 CPU, 0.6 GiB), 1 gpu-worker (1 CPU, 0.6 GiB); "
            "the workers offer 3 CPUs, more than the machine has; "
            "the memory limits are 1.4 GiB too high: 0.4 GiB is reserved for the engine. To change this, set "
            "CPU_WORKER_CPUS, CPU_WORKER_MEMORY, GPU_WORKER_CPUS, GPU_WORKER_MEMORY in .env",
        ),
        (
            EIGHT,
            {name: value for name, value in SIZES.items() if not name.endswith("_SHM")},
            "8 CPUs and 16.0 GiB: head 3.0 GiB, 2 cpu-worker (1 CPU, 3.0 GiB), 1 gpu-worker (1 CPU, 3.0 GiB). "
            "All sizes are set in .env",
        ),
    ],
)
def test_a_new_cluster_says_what_it_gets_and_what_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Machine, settings: dict[str, str], said: str
) -> None:
    has(monkeypatch, found)
    _, line = sizes.fitted(context(tmp_path, **settings), "docker", exists=False)
    assert line == f"sized to {said}: docs/cluster-sizes.md"


def test_what_is_set_wins_and_the_rest_is_divided_after_it(tmp_path: Path) -> None:
    found = begun(tmp_path, CPU_WORKERS="1", HEAD_MEMORY="4g", GPU_WORKERS="")
    assert shape(found) == [(1, 7), (1, 1)]
    assert found.topology.head.memory == 4 * GIB
    assert not {"CPU_WORKERS", "HEAD_MEMORY"} & found.chosen.keys()
    assert found.chosen["GPU_WORKERS"] == "1", "an empty setting is none"
    assert applied.load(tmp_path)["HEAD_MEMORY"] == "4g"


def test_another_machine_is_no_reason_to_change_a_running_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = begun(tmp_path)
    has(monkeypatch, Machine(64, 256 * GIB))
    now, line = sizes.fitted(context(tmp_path), "docker", exists=True)
    assert (now, line) == (before, "")
    assert applied.changes(now) == applied.Changes()
    assert sizes.of_running(context(tmp_path)) == before
    fresh, _ = sizes.fitted(context(tmp_path), "docker", exists=False)
    assert shape(fresh) == [(4, 15), (1, 4)], "a cluster that is gone keeps nothing"


def test_the_same_size_written_differently_is_no_change(tmp_path: Path) -> None:
    begun(tmp_path, HEAD_MEMORY="3g", CPU_WORKER_SHM="1.5GiB")
    now, _ = sizes.fitted(
        context(tmp_path, HEAD_MEMORY="3072m", CPU_WORKER_SHM="1536m"), "docker", exists=True
    )
    assert applied.changes(now) == applied.Changes()
    less, _ = sizes.fitted(
        context(tmp_path, HEAD_MEMORY="3071m", CPU_WORKER_SHM="1.5g"), "docker", exists=True
    )
    assert applied.changes(less).nodes == ("HEAD_MEMORY",)


def test_a_running_cluster_gets_what_is_set_since_and_what_is_not_set_any_more(tmp_path: Path) -> None:
    begun(tmp_path, CPU_WORKER_MEMORY="2100m")
    wider, line = sizes.fitted(
        context(tmp_path, CPU_WORKER_MEMORY="2100m", HEAD_SHM="1g"), "docker", exists=True
    )
    assert line == ""
    assert applied.changes(wider).nodes == ("HEAD_SHM",)
    free, _ = sizes.fitted(context(tmp_path), "docker", exists=True)
    assert applied.changes(free).nodes == ("CPU_WORKER_MEMORY",)
    assert free.topology.pool("cpu-worker").memory == 2096 * 2**20, "beside what the others have"


def test_a_cluster_that_compose_alone_started_keeps_the_sizes_of_compose_yaml(tmp_path: Path) -> None:
    plain = context(tmp_path)
    assert sizes.fitted(plain, "docker", exists=True) == (plain, "")


def test_nothing_is_asked_where_every_size_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "of_engine", lambda kind: pytest.fail("asked"))
    found, line = sizes.fitted(context(tmp_path, **SIZES), "docker", exists=False)
    assert (dict(found.chosen), line) == ({}, "")


@pytest.mark.parametrize(
    ("kind", "profiles", "memory", "message", "fix"),
    [
        (
            "docker",
            "",
            2,
            "There is 2.0 GiB of memory, but the smallest cluster needs 3.2 GiB.",
            "Give Docker more memory (Docker Desktop: Settings, Resources), or set the sizes in .env",
        ),
        (
            "docker",
            "vertex,notebook",
            4,
            "There is 4.0 GiB of memory, but the smallest cluster needs 7.6 GiB, including 4.0 GiB for the services "
            "in COMPOSE_PROFILES.",
            "Give Docker more memory (Docker Desktop: Settings, Resources), or set the sizes in .env",
        ),
        (
            "processes",
            "",
            2,
            "There is 2.0 GiB of memory, but the smallest cluster needs 3.2 GiB.",
            "Use a machine with more memory, or set the sizes in .env",
        ),
    ],
)
def test_a_machine_that_is_too_small_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    profiles: str,
    memory: int,
    message: str,
    fix: str,
) -> None:
    has(monkeypatch, Machine(8, memory * GIB))
    with pytest.raises(TooSmall) as caught:
        sizes.fitted(context(tmp_path, COMPOSE_PROFILES=profiles), kind, exists=False)
    assert (caught.value.message, caught.value.fix) == (message, f"{fix}: docs/cluster-sizes.md")
    asked = context(tmp_path, COMPOSE_PROFILES=profiles, GPU_WORKERS="0", CPU_WORKERS="1")
    assert "too high" in sizes.fitted(asked, kind, exists=False)[1], "who sets sizes is warned only"


def test_the_page_shows_the_line_as_it_is(tmp_path: Path) -> None:
    _, line = sizes.fitted(context(tmp_path), "docker", exists=False)
    assert f"\ncluster: {line}\n" in (ROOT / sizes.PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize("given", [Machine(2, 4 * GIB), EIGHT, Machine(64, 256 * GIB)])
def test_the_sizes_are_what_compose_yaml_makes_of_the_settings(given: Machine) -> None:
    divided = sizing.divide(given)
    assert sizes.of_compose(topology.load(ROOT, divided.settings())) == divided


def test_the_tests_clusters_are_those_of_compose_yaml() -> None:
    fixed = topology.load(ROOT, {})
    assert topology.load(ROOT, SIZES) == fixed
    assert {*sizes.FIELDS, sizes.CLOUD} == SIZES.keys()


def test_every_size_is_a_setting_of_compose_yaml() -> None:
    used = set(applied.SETTING.findall((ROOT / "compose.yaml").read_text(encoding="utf-8")))
    assert {*sizes.FIELDS, sizes.CLOUD} <= used


def test_the_engine_is_asked_for_what_it_has() -> None:
    """With Docker Desktop `docker info` tells of its virtual machine, not of the laptop."""
    info = {"NCPU": 5, "MemTotal": 8_218_034_176}
    found = DockerEngine(SimpleNamespace(info=lambda: info), "unix:///x", "27")
    assert found.machine() == Machine(5, 8_218_034_176)


def test_processes_have_what_their_control_group_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(machine, "here", lambda: EIGHT)
    assert sizes.of_engine("processes") == EIGHT


def test_what_started_says_of_another_version_is_nothing(tmp_path: Path) -> None:
    started.begin(tmp_path, "docker")
    assert started.chosen(tmp_path) == {}
    started.save(tmp_path, {"kind": "docker", "chosen": ["x"]})
    assert started.chosen(tmp_path) == {}
    found = replace(context(tmp_path), chosen={"HEAD_SHM": "1g"})
    started.begin(tmp_path, "docker", found.chosen)
    assert started.chosen(tmp_path) == {"HEAD_SHM": "1g"}


def test_compose_is_given_what_was_chosen_also_for_a_node_that_scale_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path)
    key.ensure(tmp_path)
    monkeypatch.setenv("GPU_WORKERS", "")  # empty, so not set
    has(monkeypatch, Machine(2, 4 * GIB))
    for found in (
        sizes.of_running(context(tmp_path)),
        sizes.fitted(context(tmp_path), "docker", exists=True)[0],
    ):
        given = Compose(found, cast(DockerEngine, None)).environment("")  # which no engine is asked about
        assert {name: given[name] for name in ("CPU_WORKER_CPUS", "CPU_WORKER_MEMORY", "GPU_WORKERS")} == {
            "CPU_WORKER_CPUS": "3",
            "CPU_WORKER_MEMORY": "4032m",
            "GPU_WORKERS": "1",
        }


class Fresh(Nothing):
    """A cluster that is not there until it is started."""

    def __init__(self, state: Path) -> None:
        self.state, self.context = state, context(state)

    def exists(self) -> bool:
        return started.runtime(self.state) != ""

    def members(self) -> list[Member]:
        return [Member("head", "head", "head", True)] if self.exists() else []

    def up(self, rebuild: Rebuild, restart: bool = False) -> None:
        assert not restart
        started.begin(self.state, "processes", self.context.chosen)


def test_up_says_it_once_and_a_larger_machine_restarts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Fresh(tmp_path)

    def open_runtime(name: str, found: Context) -> Fresh:
        cluster.context = found
        return cluster

    monkeypatch.setattr(runtimes, "open_runtime", open_runtime)
    monkeypatch.setattr(runtimes, "is_complete", lambda cluster, context: True)
    monkeypatch.setattr(cli, "show", lambda *_: None)
    monkeypatch.setattr("raydock.settings.dotenv", lambda path, environ: {})
    for name in SIZES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    assert cli.main(["up", "--runtime", "processes"]) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first == "cluster: processes: chosen with --runtime"
    assert second.startswith("cluster: sized to 8 CPUs and 16.0 GiB: head 2.9 GiB, 2 cpu-worker (3 CPUs, ")
    has(monkeypatch, Machine(64, 256 * GIB))
    assert cli.main(["up", "--runtime", "processes"]) == 0
    again = capsys.readouterr().err
    assert again == "cluster: the cluster is already up; to resize it: python -m cluster scale POOL=COUNT\n"
    assert applied.load(tmp_path)["CPU_WORKER_CPUS"] == "3"


def test_up_starts_nothing_on_a_machine_that_is_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    has(monkeypatch, Machine(2, 2 * GIB))
    monkeypatch.setattr(runtimes, "open_runtime", lambda name, found: Fresh(tmp_path))
    monkeypatch.setattr("raydock.settings.dotenv", lambda path, environ: {})
    for name in SIZES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    assert cli.main(["up", "--runtime", "processes"]) == 1
    assert capsys.readouterr().err == (
        "cluster: There is 2.0 GiB of memory, but the smallest cluster needs 3.2 GiB.\n"
        "  Use a machine with more memory, or set the sizes in .env: docs/cluster-sizes.md\n"
    )
    assert (key.read(tmp_path), started.load(tmp_path)) == ("", {})
