"""Waiting for a cluster: what is reported, which errors are tolerated, and what ends the wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.vertex_ai.errors import translate_errors
from raydock import waiting
from raydock.errors import CommandFailed, Interrupted, NotReady, NotUp, RaydockError, Unreachable
from raydock.units import span
from vertex import errors, lifecycle
from vertex.cluster import Cluster
from vertex.errors import sentence
from vertex.lifecycle import ClusterWaiter
from vertex.location import Location

NAME = "projects/1/locations/us-central1/persistentResources/c"
GONE = errors.ClusterNotFound("There is no cluster c.")
SILENT = Unreachable("It does not answer.")


def cluster(state: str, error: str = "") -> Cluster:
    return Cluster(NAME, state, error, "host", "", (), {}, 0.0)


class FakeClient:
    """An API that returns the answers in order and repeats the last one."""

    location = Location("p", "us-central1")

    def __init__(self, *answers: Cluster | RaydockError | type[BaseException]) -> None:
        self.answers: Iterator[Any] = iter(answers)
        self.last: Any = None
        self.deleted = 0

    def get(self, name: str) -> Cluster:
        self.last = next(self.answers, self.last)
        if isinstance(self.last, Cluster):
            return self.last
        raise self.last

    def delete(self, name: str) -> None:
        self.deleted += 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 0.001)


def watch(said: list[str], *answers: Any, seconds: float = 60) -> ClusterWaiter:
    client: Any = FakeClient(*answers)
    return ClusterWaiter(client, "c", seconds, lambda line: said.append(line.partition(", ")[0]))


def test_state_changes_are_reported() -> None:
    said: list[str] = []
    provisioning = cluster("PROVISIONING")
    assert (
        lifecycle.wait_until_running(
            watch(said, GONE, provisioning, provisioning, SILENT, provisioning, cluster("RUNNING"))
        ).state
        == "RUNNING"
    )
    assert said == ["c: not visible yet", "c: PROVISIONING", "c: RUNNING"]


def test_a_location_that_does_not_answer_is_reported() -> None:
    said: list[str] = []
    lifecycle.wait_until_running(watch(said, SILENT, SILENT, SILENT, cluster("RUNNING")))
    assert said == ["c: no response (It does not answer); retrying", "c: RUNNING"]


def test_an_unchanged_state_is_reported_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "REPORT_EVERY", 0.0)
    said: list[str] = []
    provisioning = cluster("PROVISIONING")
    lifecycle.wait_until_running(watch(said, provisioning, provisioning, provisioning, cluster("RUNNING")))
    assert said == ["c: PROVISIONING"] * 3 + ["c: RUNNING"]


@pytest.mark.parametrize(
    ("answers", "kind", "message"),
    [
        ([cluster("ERROR", "No quota")], CommandFailed, "Vertex AI could not create c: No quota."),
        ([cluster("ERROR")], CommandFailed, "Vertex AI could not create c, without giving a reason."),
        ([cluster("STOPPING")], NotUp, "c is being deleted. Its name can't be reused until it is gone."),
        ([cluster("PROVISIONING"), GONE], NotUp, "c was deleted while it was being created."),
    ],
)
def test_a_cluster_that_never_runs(answers: list[Any], kind: type[ClusterError], message: str) -> None:
    with pytest.raises(kind) as caught:
        lifecycle.wait_until_running(watch([], *answers))
    assert caught.value.message == message


def test_a_deadline_passes() -> None:
    with pytest.raises(
        NotReady, match=r"^c is still PROVISIONING after 0 s\. Vertex AI continues in the background"
    ):
        lifecycle.wait_until_running(watch([], cluster("PROVISIONING"), seconds=0.0))
    with pytest.raises(NotReady, match=r"^c is still STOPPING after 0 s\. Vertex AI is still deleting it"):
        lifecycle.delete(watch([], cluster("STOPPING"), seconds=0.0))


@pytest.mark.parametrize(
    ("begin", "said"), [(lifecycle.wait_until_running, "creating c"), (lifecycle.delete, "deleting c")]
)
def test_ctrl_c(begin: Callable[[ClusterWaiter], object], said: str) -> None:
    found = watch([], cluster("PROVISIONING"), KeyboardInterrupt)
    if begin is lifecycle.wait_until_running:
        found = watch([], KeyboardInterrupt)
    with pytest.raises(Interrupted, match=f"Interrupted. Vertex AI is still {said}"):
        begin(found)


def test_delete_is_requested_once() -> None:
    found = watch([], cluster("RUNNING"), cluster("STOPPING"), GONE)
    lifecycle.delete(found)
    assert found.client.deleted == 1  # type: ignore[attr-defined]
    going = watch([], cluster("STOPPING"), GONE)
    lifecycle.delete(going)
    assert going.client.deleted == 0  # type: ignore[attr-defined]


def test_a_lost_reply_does_not_create_a_second_cluster() -> None:
    class Creating(FakeClient):
        def create(self, name: str, resource: object) -> None:
            raise self.answer

        answer: RaydockError = SILENT

    client: Any = Creating()
    with pytest.raises(NotUp, match="The cluster may have been created anyway"):
        lifecycle.create(client, "c", None)
    client.answer = errors.Exists("There is one.")
    assert lifecycle.create(client, "c", None) is False


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (errors.NotConfigured, 2),
        (errors.ClusterNotFound, 4),
        (Unreachable, 4),
        (errors.Unusable, 4),
        (errors.RequestRejected, 1),
        (errors.Exists, 1),
    ],
)
def test_every_error_has_an_exit_code_and_a_fix(fault: type[RaydockError], code: int) -> None:
    with pytest.raises(RaydockError) as caught, translate_errors():
        raise fault("Two\nlines")
    assert (caught.value.exit_code, caught.value.message) == (code, "Two lines.")
    assert caught.value.fix
    assert sentence("Really?") == "Really?"


@pytest.mark.parametrize(
    ("wanted", "text"),
    [(0, "0 s"), (-3, "0 s"), (119, "119 s"), (600, "10 min"), (11100, "3 h 5 min"), (187200, "2 d 4 h")],
)
def test_spans(wanted: float, text: str) -> None:
    assert span(wanted) == text
