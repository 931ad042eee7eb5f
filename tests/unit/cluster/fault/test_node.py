"""A node that dies on purpose: which one, and when it starts again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import runtimes, scale
from cluster.docker import engine
from cluster.docker.cluster import ComposeCluster
from cluster.fault import node, revival
from cluster.fault.client import ActiveFault
from cluster.fault.options import Wanted
from cluster.runtimes import Context
from cluster.status import Member
from raydock import topology
from raydock.errors import NotFound, NotUp, RaydockError, UsageError
from raydock.faults import Fault
from raydock.settings import ROOT

MEMBERS = (
    Member("head", "head", "h", True),
    Member("cpu-worker-1", "cpu-worker", "a", True),
    Member("gpu-worker-1", "gpu-worker", "b", False),
    Member("gpu-worker-2", "gpu-worker", "c", False),
)
DOWN = ActiveFault("f7", Fault("node", node="gpu-worker-2"), 42, 0, 0)


class Cluster:
    """A cluster that records what is done to its nodes."""

    def __init__(self, members: Sequence[Member] = MEMBERS) -> None:
        self.there, self.done = members, list[tuple[str, str]]()

    def members(self) -> list[Member]:
        return list(self.there)

    def kill(self, member: Member) -> None:
        self.done.append(("kill", member.name))

    def start_again(self, member: Member) -> None:
        self.done.append(("start", member.name))


class Lab:
    """The lab API."""

    def __init__(self) -> None:
        self.started: list[Wanted] = []

    def active(self) -> list[ActiveFault]:
        return [DOWN]

    def start(self, wanted: Wanted) -> ActiveFault:
        self.started.append(wanted)
        return ActiveFault("f1", wanted.fault, wanted.seconds, 0, 0)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(ROOT, tmp_path, {}, topology.load(ROOT, {}), lambda line: None)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(runtimes, "open_runtime", lambda name, context: made)
    monkeypatch.setattr(scale, "wait_for_nodes", lambda cluster, context, pool: None)
    return made


def test_a_worker_is_killed_and_its_revival_is_arranged_first(
    context: Context, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, begun = Lab(), list[tuple[Any, int]]()
    monkeypatch.setattr(
        node, "wait_in_background", lambda context, made: begun.append((made.id, len(cluster.done)))
    )
    wanted = Wanted(Fault("node", node="cpu-worker-1"), 30)
    made: Any = node.kill(context, "docker", lab, wanted)  # type: ignore[arg-type]
    assert (made.id, lab.started, begun) == ("f1", [wanted], [("f1", 0)])
    assert cluster.done == [("kill", "cpu-worker-1")]


@pytest.mark.parametrize(
    ("name", "kind", "sentence", "fix"),
    [
        ("cpu-worker-9", NotFound, "Node 'cpu-worker-9' does not exist; the workers are cpu-worker-1, gpu-worker-1, "
            "gpu-worker-2.", "make cluster-status"),
        ("gpu-worker-1", NotFound, "Node gpu-worker-1 is not running.", "make cluster-up"),
        ("gpu-worker-2", NotFound, "Node gpu-worker-2 is already down, for 42 s.",
            "Start it now: python -m cluster fault clear f7"),
        ("head", UsageError, "The head can't be killed: it runs the jobs' drivers, so every job would fail.",
            "Kill a worker: python -m cluster fault node cpu-worker-1"),
    ],
)  # fmt: skip
def test_which_nodes_cannot_be_killed(
    context: Context, cluster: Cluster, name: str, kind: type[RaydockError], sentence: str, fix: str
) -> None:
    lab = Lab()
    with pytest.raises(kind) as raised:
        node.kill(context, "docker", lab, Wanted(Fault("node", node=name), 30))  # type: ignore[arg-type]
    assert (raised.value.message, raised.value.fix) == (sentence, fix)
    assert (lab.started, cluster.done) == ([], [])


def test_only_what_is_down_is_started(context: Context, cluster: Cluster) -> None:
    node.start_again(context, "docker", ["cpu-worker-1", "gpu-worker-1", "gone-1"])
    assert cluster.done == [("start", "gpu-worker-1")]


def test_in_docker_a_member_is_its_container(context: Context) -> None:
    done: list[tuple[str, str]] = []

    def container(pool: str, number: int) -> Any:
        name = f"{pool}-{number}"
        return SimpleNamespace(
            labels={engine.SERVICE: pool, engine.NUMBER: str(number)},
            attrs={"State": {"StartedAt": "2026-01-31T12:00:00.0Z"}, "Config": {"Hostname": name}},
            status="running",
            kill=lambda: done.append(("kill", name)),
            start=lambda: done.append(("start", name)),
        )

    there = [
        container("cloud", 1),
        container("head", 1),
        container("cpu-worker", 1),
        container("cpu-worker", 2),
    ]
    cluster = ComposeCluster(context)
    cluster.__dict__["engine"] = SimpleNamespace(containers=lambda project, service="": there)
    second = next(member for member in cluster.members() if member.name == "cpu-worker-2")
    cluster.kill(second)
    cluster.start_again(second)
    assert done == [("kill", "cpu-worker-2"), ("start", "cpu-worker-2")]


def test_the_wait_ends_with_the_fault_or_when_it_is_cleared() -> None:
    now, active = [0.0], [True]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    revival.wait(lambda: active[0], 10.5, lambda: now[0], sleep)
    assert now == [10.5]
    now[0] = 0
    revival.wait(lambda: now[0] < 3, 10.5, lambda: now[0], sleep)
    assert now == [3.0]


def test_nothing_waits_for_a_cluster_that_was_removed(context: Context) -> None:
    with pytest.raises(NotUp):
        revival.is_active(context, "f1")
    (context.state / "key").write_text("k")
    assert revival.is_active(context, "f1")  # the lab does not answer, so the fault may still be active
