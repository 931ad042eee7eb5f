"""An idle cluster is deleted; one whose state is unknown never is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from raydock.rayapi.idle import Activity, IdleStatus, activity_of, idle_status, message
from tests.fakes import FakeDashboard, FakeJob, Fault
from tests.labcloud import TRAINER, YOU
from tests.labvertex import LabVertex
from tests.unit.cluster.vertex_ai.conftest import Holder, Run, cluster_of, timeless
from vertex.client import VertexClient
from vertex.errors import ClusterNotFound, RequestRejected
from vertex.idle import IdleWatcher
from vertex.location import Location

HOUR = 3600.0
LOOK = ("idle", "--cluster", "raydock", "--max-idle", "30m", "--once")


@pytest.fixture
def up(run: Run, lab: LabVertex) -> Run:
    """A cluster that has been running for two hours."""
    assert run("up", "--yes")[0] == 0
    cluster_of(lab).started = time.time() - 2 * HOUR
    return run


def ended(ray: FakeDashboard, name: str, ago: float, status: str = "SUCCEEDED") -> None:
    ray.jobs[name] = FakeJob(name, status=status, started=time.time() - ago - 1, ended=time.time() - ago)


def is_there(lab: LabVertex) -> bool:
    found = [one for one in lab.plane.clusters.store.clusters.values() if one.state != "STOPPING"]
    return bool(found)


def test_nothing_ever_ran(up: Run, lab: LabVertex) -> None:
    status, out, err = up(*LOOK)
    assert (status, timeless(out), err) == (0, "raydock: deleting it: no job for TIME.\n", "")
    assert not is_there(lab)


def test_a_second_check_finds_nothing_to_do(up: Run, lab: LabVertex) -> None:
    up(*LOOK)
    status, out, _ = up(*LOOK)
    assert status == 0
    assert out.startswith("raydock: nothing to delete: ")


@pytest.mark.parametrize("last", ["SUCCEEDED", "FAILED", "STOPPED"])
def test_the_last_job_ended_long_ago(up: Run, lab: LabVertex, ray: FakeDashboard, last: str) -> None:
    ended(ray, "a", 1.5 * HOUR)
    ended(ray, "b", 0.75 * HOUR, last)
    status, out, err = up(*LOOK)
    assert (status, timeless(out), err) == (0, "raydock: deleting it: no job for TIME.\n", "")
    assert not is_there(lab)


def test_the_last_job_ended_just_now(up: Run, lab: LabVertex, ray: FakeDashboard) -> None:
    ended(ray, "a", 0.25 * HOUR)
    status, out, err = up(*LOOK)
    assert (status, err, is_there(lab)) == (0, "", True)
    assert timeless(out) == "raydock: kept: no job for TIME. Unless one starts, it counts as idle in TIME.\n"


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "SOMETHING_NEW", ""])
def test_a_job_that_has_not_ended(up: Run, lab: LabVertex, ray: FakeDashboard, status: str) -> None:
    ended(ray, "old", 1.5 * HOUR)
    ray.jobs["long"] = FakeJob("long", status=status, started=time.time() - 1.9 * HOUR)
    assert up(*LOOK) == (0, "raydock: kept: unfinished jobs: long.\n", "")
    assert is_there(lab)


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.HTML, Fault.MISSING, Fault.REFUSE])
def test_a_dashboard_that_does_not_answer(up: Run, lab: LabVertex, ray: FakeDashboard, fault: Fault) -> None:
    ray.faults["GET /api/jobs/"] = [fault]
    status, out, err = up(*LOOK)
    assert (status, out, is_there(lab)) == (4, "", True)
    assert err.startswith("cluster: raydock: kept, because it is unknown whether it is idle: ")


def test_a_caller_without_access_deletes_nothing(
    up: Run, lab: LabVertex, as_caller: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster.vertex_ai import cli as vertex_cli

    monkeypatch.setattr(vertex_cli, "AccessToken", lambda: Holder(lab, TRAINER))
    status, _, err = up(*LOOK)
    assert (status, is_there(lab)) == (4, True)
    assert " returned 403 for GET /api/jobs/: Permission" in err


@pytest.mark.parametrize("state", ["UPDATING", "ERROR", "PROVISIONING", "REBOOTING"])
def test_a_cluster_that_is_not_running(up: Run, lab: LabVertex, state: str) -> None:
    cluster_of(lab).state = state
    status, _, err = up(*LOOK)
    assert (status, is_there(lab)) == (4, True)
    assert f"it is {state}." in err


def test_without_once_it_keeps_watching(up: Run, lab: LabVertex, ray: FakeDashboard) -> None:
    ray.jobs["a"] = FakeJob("a")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            ended(ray, "a", HOUR)

    said: list[str] = []
    token: Any = Holder(lab, YOU)
    api = VertexClient(Location("lab-project", "us-central1"))
    watching = IdleWatcher(api, "raydock", 1800, said.append, token, sleep=sleep)
    assert watching.watch().kind == "idle"
    assert said == ["raydock: kept: unfinished jobs: a."]
    assert not is_there(lab)


class Losing(Holder):
    """Credentials that return no token for the given requests."""

    def __init__(self, lab: LabVertex, *without: int) -> None:
        super().__init__(lab, YOU)
        self.asked, self.without = 0, without

    def value(self) -> str:
        self.asked += 1
        if self.asked in self.without:
            raise RequestRejected("Could not get an access token with your credentials: no network.")
        return super().value()


def test_watching_survives_errors(up: Run, lab: LabVertex, ray: FakeDashboard) -> None:
    ray.jobs["a"] = FakeJob("a")
    said: list[str] = []
    token: Any = Losing(lab, 2, 3)

    def sleep(seconds: float) -> None:
        if token.asked == 3:
            ended(ray, "a", HOUR)

    api = VertexClient(Location("lab-project", "us-central1"))
    assert IdleWatcher(api, "raydock", 1800, said.append, token, sleep=sleep).watch().kind == "idle"
    why = "Could not get an access token with your credentials: no network."
    unknown = f"raydock: kept, because it is unknown whether it is idle: {why}"
    assert said == ["raydock: kept: unfinished jobs: a.", unknown]


def test_watching_ends_if_the_first_check_fails(up: Run, lab: LabVertex) -> None:
    token: Any = Losing(lab, 1)
    api = VertexClient(Location("lab-project", "us-central1"))
    with pytest.raises(RequestRejected):
        IdleWatcher(api, "raydock", 1800, print, token).watch()
    assert is_there(lab)


def test_deleted_by_another_client_meanwhile(
    up: Run, lab: LabVertex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: VertexClient, cluster: str) -> None:
        raise ClusterNotFound("There is no such cluster.")

    monkeypatch.setattr(VertexClient, "delete", missing)
    assert up(*LOOK) == (0, "raydock: nothing to delete: it was deleted by another client.\n", "")


def test_drivers_count_and_times_are_milliseconds() -> None:
    submitted = {"submission_id": "a", "status": "SUCCEEDED", "start_time": 1000, "end_time": 5000}
    driver = {"type": "DRIVER", "job_id": "02000000", "status": "RUNNING", "start_time": 6000, "end_time": 0}
    assert activity_of([submitted], 2.0) == Activity((), 5.0)
    assert activity_of([submitted], 9.0) == Activity((), 9.0)
    assert activity_of([], 9.0) == Activity((), 9.0)
    assert activity_of([submitted, driver], 2.0) == Activity(("02000000",), 6.0)
    assert activity_of([{**submitted, "end_time": None}], 0.0) == Activity((), 1.0)


def test_exactly_the_limit_counts_as_idle() -> None:
    assert idle_status(Activity((), 100.0), 160.0, 60.0).kind == "idle"
    assert idle_status(Activity((), 100.0), 159.0, 60.0) == IdleStatus("quiet", "no job for 59 s", 1.0)
    assert (
        idle_status(Activity(("a", "b", "c", "d"), 0.0), 1e9, 60.0).why
        == "unfinished jobs: a, b, c and 1 more"
    )
    assert idle_status(Activity((), 200.0), 100.0, 60.0).kind == "quiet"  # its clock is ahead


@pytest.mark.parametrize("kind", ["gone", "busy", "quiet", "idle", "unknown"])
def test_every_verdict_has_a_line(kind: str) -> None:
    assert message("c", IdleStatus(kind, "why")).startswith("c: ")
