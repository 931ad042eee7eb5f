"""`--target vertex`: choosing a cluster, waiting for it, and authenticating each request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from raydock import versions, waiting
from raydock.errors import RaydockError, ServerError, Unreachable, UsageError
from raydock.errors import Unreachable as NoAnswer
from raydock.rayapi.dashboard import Dashboard
from submit.options import parse
from submit.targets import TargetOptions, open_target
from submit.targets.vertex import VertexTarget
from tests.fakes import FakeDashboard
from tests.labcloud import AGENT
from vertex.cluster import Cluster, ResourcePool
from vertex.errors import ClusterNotFound, RequestRejected
from vertex.location import Location

IMAGE = "us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest"


def cluster(name: str = "one", state: str = "RUNNING", dashboard: str = "") -> Cluster:
    whole = f"projects/123456789012/locations/us-central1/persistentResources/{name}"
    pool = ResourcePool("head-node", "n1-standard-16", "", 0, 3, image=IMAGE)
    return Cluster(whole, state, "", dashboard or "ray.example", "", (pool,), {}, 0.0)


class FakeApi:
    """Return the given clusters, one per call, and then the last one forever."""

    def __init__(self, *found: Cluster | Exception, listed: tuple[Cluster, ...] = ()) -> None:
        self.found, self.listed, self.location = list(found), listed, Location("", "")

    def __call__(self, location: Location) -> Any:
        self.location = location
        return self

    def list_clusters(self) -> list[Cluster]:
        return list(self.listed)

    def get(self, name: str) -> Cluster:
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found


class FakeToken:
    """Numbered tokens."""

    def __init__(self) -> None:
        self.number = 1

    def value(self) -> str:
        return f"t{self.number}"

    def turned_down(self, value: str) -> None:
        if value == self.value():
            self.number += 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(versions, "today", lambda: date(2026, 11, 26))
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 0.001)


def ready(api: FakeApi, seconds: float = 5, name: str = "one") -> tuple[VertexTarget, list[str]]:
    target = VertexTarget(
        TargetOptions(cluster=name, project="p", region="us-central1", wait=seconds), api=api
    )
    messages: list[str] = []
    asyncio.run(target.ready(messages.append))
    return target, messages


def test_running_cluster_is_reported_with_its_job_principal() -> None:
    target, messages = ready(FakeApi(cluster()))
    assert messages == [f"cluster one in us-central1: RUNNING, Ray 2.47, Python 3.11; jobs run as {AGENT}"]
    assert target.flags == "--target vertex --cluster one --project p --region us-central1 "
    assert target.connect().base_url == "https://ray.example"
    assert target.google().account == AGENT


def test_a_ray_version_whose_support_ends_soon_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "today", lambda: date(2027, 7, 1))
    _, messages = ready(FakeApi(cluster()))
    assert messages[1:] == [
        "Google's support for Ray 2.47 on Vertex AI ends on 2027-07-28. Check whether Vertex AI has a newer version."
    ]


def test_waits_for_a_provisioning_cluster() -> None:
    provisioning = cluster(state="PROVISIONING")
    _, messages = ready(FakeApi(provisioning, provisioning, provisioning, cluster()))
    assert (
        messages[0] == "cluster one is PROVISIONING; waiting until it is running (Ctrl-C only stops waiting)"
    )
    assert len(messages) == 2


SILENT = NoAnswer("It does not answer: slow")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((SILENT,), 0),  # the lab delays its first answer about a new cluster
        ((SILENT, SILENT), 1),
        ((cluster(state="PROVISIONING"), SILENT) * 5, 0),
        ((SILENT, cluster(state="PROVISIONING"), *(SILENT,) * 9), 1),
    ],
)
def test_unanswered_polls_do_not_end_the_wait(answers: tuple[Any, ...], said: int) -> None:
    _, messages = ready(FakeApi(*answers, cluster()))
    assert messages.count("cluster one: no response (It does not answer: slow); retrying") == said
    assert messages[-1].startswith("cluster one in us-central1: RUNNING")


def test_gives_up_soon_if_nothing_ever_answered() -> None:
    api = FakeApi(SILENT, SILENT, SILENT, cluster())
    with pytest.raises(Unreachable, match="It does not answer: slow"):
        ready(api)
    assert len(api.found) == 1


@pytest.mark.parametrize(
    ("api", "name", "kind", "message", "fix"),
    [
        (FakeApi(cluster(state="PROVISIONING")), "one", Unreachable,
         "Cluster one is still PROVISIONING after 0 s.", "wait longer: --cluster-wait 1h"),
        (FakeApi(cluster(state="STOPPING")), "one", ServerError,
         "Cluster one is being deleted.", "create another cluster: python -m cluster up --target vertex"),
        (FakeApi(ClusterNotFound("There is none.", "look")), "one", ServerError, "There is none.", "look"),
        (FakeApi(RequestRejected("Denied.", "ask")), "one", ServerError, "Denied.", "ask"),
        (FakeApi(cluster(), listed=(cluster("a"), cluster("b"))), "", UsageError,
         "There are 2 Ray clusters in p, us-central1: a, b.", "add --cluster b"),
        (FakeApi(cluster()), "", ServerError, "There are no Ray clusters in p, us-central1.",
         "create one: python -m cluster up --target vertex --project p --region us-central1"),
    ],
)  # fmt: skip
def test_clusters_that_cannot_take_jobs(api: FakeApi, name: str, kind: type, message: str, fix: str) -> None:
    with pytest.raises(RaydockError) as caught:
        ready(api, seconds=0.05, name=name)
    assert (type(caught.value), caught.value.message, caught.value.fix) == (kind, message, fix)


def test_only_cluster_is_the_default() -> None:
    target, _ = ready(FakeApi(cluster(), listed=(cluster("old", "STOPPING"), cluster())), name="")
    assert target.cluster == cluster()


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


def test_rejected_token_is_replaced_and_the_request_repeated(ray: FakeDashboard) -> None:
    token = FakeToken()
    api = FakeApi(cluster(dashboard=ray.url))
    ray.token = "t2"
    target = VertexTarget(TargetOptions(cluster="one", project="p"), api=api, token=token)  # type: ignore[arg-type]

    async def ask() -> Any:
        async with Dashboard(target) as dashboard:
            return await dashboard.version()

    assert asyncio.run(ask())["ray_version"] == "2.47.1"
    assert token.number == 2


def test_vertex_flags_require_the_vertex_target() -> None:
    options = parse(["--target", "vertex", "--cluster", "c", "--cluster-wait", "1h", "x.py"]).target_options
    assert (options.cluster, options.wait) == ("c", 3600)
    assert (
        parse(["--target", "vertex", "--cluster", "c", "list"]).target_flags == "--target vertex --cluster c "
    )
    with pytest.raises(UsageError) as caught:
        parse(["--cluster", "c", "x.py"])
    assert caught.value.message == "--cluster applies only to --target vertex and --target kuberay."
    assert caught.value.fix == "--target vertex --cluster c"


def test_registry_opens_the_vertex_target() -> None:
    assert open_target("vertex", None, TargetOptions(cluster="c")).name == "vertex"
