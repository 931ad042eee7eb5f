"""A job is submitted exactly once, whichever responses get lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from raydock.errors import RaydockError, ServerError, UsageError
from raydock.jobscript.header import Header
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.endpoint import Timeouts
from submit import submission
from submit.errors import Lost
from submit.package import Contents
from submit.plan import JobPlan
from submit.submission import submit, upload
from submit.targets import open_target
from tests.fakes import FakeDashboard, FakeJob, Fault

PLAN = JobPlan(
    "x.py", Header(), Contents(Path(), (), ()), submission_id="a", working_dir="gcs://_ray_pkg_1.zip"
)


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


def sent(ray: FakeDashboard, seconds: float = 60) -> None:
    """Submit the plan; each response may take up to `seconds`."""

    async def run() -> None:
        timeouts = Timeouts(connect=60, read=seconds, submit=seconds)
        async with Dashboard(open_target("local", ray.url), timeouts) as dashboard:
            await asyncio.wait_for(submit(dashboard, PLAN), 180)

    asyncio.run(run())


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault.CUT],  # accepted, response lost: Ray's own client runs it twice or fails (ray#53946)
        [Fault.REFUSE],  # not accepted
        [Fault.REFUSE, Fault.CUT],
        [Fault.REFUSE, Fault.REFUSE, Fault.REFUSE],
        [Fault.HANG],
    ],
)
def test_job_is_submitted_once(ray: FakeDashboard, faults: list[Fault]) -> None:
    runs: list[FakeJob] = []
    ray.on_submit = runs.append
    ray.faults["POST /api/jobs/"] = faults
    sent(ray, seconds=1 if Fault.HANG in faults else 60)
    assert [job.submission_id for job in runs] == ["a"]
    assert runs[0].body == PLAN.request()


def test_late_arrival_of_the_first_attempt(ray: FakeDashboard) -> None:
    """The first response is lost and the job not yet visible; the second attempt learns that it exists."""
    ray.faults["POST /api/jobs/"] = [Fault.CUT]
    ray.faults["GET /api/jobs/a"] = [Fault.MISSING]
    sent(ray)
    assert ray.count("POST /api/jobs/") == 2


def test_taken_id_is_rejected(ray: FakeDashboard) -> None:
    ray.jobs["a"] = FakeJob("a")
    with pytest.raises(UsageError) as caught:
        sent(ray)
    assert caught.value.message == "Job a already exists."


def test_rejection_quotes_its_last_line_and_is_not_retried(ray: FakeDashboard) -> None:
    ray.faults["POST /api/jobs/"] = [Fault.ERROR]
    with pytest.raises(ServerError) as caught:
        sent(ray)
    assert caught.value.message == f"{ray.url} returned 500 for POST /api/jobs/: RuntimeError: out of order."
    assert ray.count("POST /api/jobs/") == 1


def test_cluster_lost_during_submission(ray: FakeDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "PAUSE", 0.01)
    ray.faults["POST /api/jobs/"] = [Fault.CUT]
    ray.faults["GET /api/jobs/a"] = [Fault.REFUSE] * 99
    with pytest.raises(Lost) as caught:
        sent(ray)
    assert (
        caught.value.message == f"The cluster at {ray.url} stopped responding during submission; "
        "the job may or may not be running."
    )
    assert caught.value.fix == f"python submit.py --address {ray.url} attach a"


def test_existing_package_is_neither_built_nor_uploaded(ray: FakeDashboard) -> None:
    async def run(pack: bytes | None) -> int:
        def packed() -> bytes:
            assert pack is not None, "built although the cluster has it"
            return pack

        async with Dashboard(open_target("local", ray.url)) as dashboard:
            return await upload(dashboard, PLAN, packed)

    assert asyncio.run(run(b"PK...")) == 5
    assert ray.stored == {"_ray_pkg_1.zip": b"PK..."}
    assert asyncio.run(run(None)) == 0
    assert ray.count("PUT") == 1


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault.REFUSE, "does not answer: the connection was closed before the response was complete."),
        (Fault.HANG, "does not answer: it accepted the request but did not answer in time."),
    ],
)
def test_message_for_an_unreachable_cluster(ray: FakeDashboard, fault: Fault, why: str) -> None:
    ray.faults["GET /api/version"] = [fault]

    async def run() -> None:
        timeouts = Timeouts(connect=60, read=1 if fault is Fault.HANG else 60)
        async with Dashboard(open_target("local", ray.url), timeouts) as dashboard:
            await dashboard.version()

    with pytest.raises(RaydockError) as caught:
        asyncio.run(run())
    assert caught.value.message == f"The cluster at {ray.url} {why}"
    assert caught.value.exit_code == 4
