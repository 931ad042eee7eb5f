"""A full disk on the head node: detected before submission, and behind a bare 500."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from raydock.errors import ServerError
from raydock.jobscript.header import Header
from raydock.rayapi.cluster_info import ClusterInfo, Disk, disk_of, head_summary, python_of_raylet
from raydock.rayapi.connection import ExpectedVersions
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import reasons
from submit.findings import Outcome
from submit.package import Contents
from submit.plan import JobPlan
from submit.preflight.cluster import check_disk
from submit.submission import explained
from submit.targets import open_target
from tests.fakes import FakeDashboard

GIB = 2**30
FULL = {"free": 8 * 2**20, "total": 200 * 2**20, "used": 192 * 2**20, "percent": 96.0}
FINE = {"free": 70 * GIB, "total": 252 * GIB, "used": 182 * GIB, "percent": 72.2}
HEAD: dict[str, Any] = {
    "raylet": {"isHeadNode": True},
    "cmdline": ["/usr/lib/python3.11/site-packages/ray/core/src/ray/raylet/raylet"],
    "disk": {"/": FINE, "/tmp": FULL},
}
SENTENCE = "The head node's disk is full: 8 of 200 MiB free at /tmp, so jobs cannot start there."


@pytest.mark.parametrize(
    ("free", "total", "over", "full"),
    [
        (0, 252 * GIB, True, True),
        (GIB - 1, 100 * GIB, True, True),
        (10 * GIB, 252 * GIB, True, False),  # Ray does not spill objects, but jobs run
        (100 * 2**20, 200 * 2**20, False, False),  # a small disk with enough free space
        (9 * 2**20, 200 * 2**20, True, True),
    ],
)
def test_disk_full_thresholds(free: int, total: int, over: bool, full: bool) -> None:
    disk = Disk("/tmp", free, total)
    assert (disk.over, disk.full) == (over, full)


def found(disk: Disk | None, ray: str = "") -> list[tuple[Outcome, str, str]]:
    draft = JobPlan("x.py", Header(), Contents(Path(), (), ()), expects=ExpectedVersions(ray=ray))
    return [
        (one.verdict, one.message, one.fix) for one in check_disk(draft, ClusterInfo("2.47.1", disk=disk))
    ]


def test_disk_finding() -> None:
    full = disk_of(HEAD)
    assert found(full, ray="2.47.1") == [
        (
            Outcome.DENIED,
            SENTENCE,
            "free space on this machine (docker system df, docker system prune), or start a new head node: "
            "make cluster-down cluster-up",
        )
    ]
    assert found(full)[0][2] == (
        "free space on the head node's disk, or submit to a cluster with a larger one"
    )
    assert found(Disk("/", 10 * GIB, 252 * GIB)) == [
        (
            Outcome.OK,
            "10.0 of 252.0 GiB free on the head node: less than 5%, so Ray rejects objects that do not fit "
            "in memory",
            "",
        )
    ]
    assert found(Disk("/", 70 * GIB, 252 * GIB)) == found(None) == []


def test_disk_and_python_from_the_head_summary() -> None:
    assert disk_of(HEAD) == Disk("/tmp", 8 * 2**20, 200 * 2**20)
    assert disk_of({}) is None
    assert python_of_raylet(HEAD) == "3.11"
    assert python_of_raylet({}) == ""


def test_full_disk_explains_a_500_without_details() -> None:
    """Ray can then write neither the job's log nor a reason."""
    with FakeDashboard() as ray:

        async def explain(fault: ServerError) -> ServerError:
            async with Dashboard(open_target("local", ray.url)) as dashboard:
                assert await head_summary(dashboard) == (ray.summary[0] if ray.summary else {})
                return await explained(fault, dashboard)

        fault = ServerError("It answered 500.", "fix", 500)
        assert asyncio.run(explain(fault)) is fault
        ray.summary = [HEAD]
        assert asyncio.run(explain(fault)).message == SENTENCE
        refused = ServerError("It answered 403.", "fix", 403)
        assert asyncio.run(explain(refused)) is refused


def test_job_failed_on_a_full_disk_says_so() -> None:
    first = "runtime_env setup failed: Failed to set up runtime environment."
    message = f"{first}\nTraceback\nOSError: [Errno 28] No space left on device"
    assert reasons(message) == [
        first,
        "A disk is full where it ran. `python submit.py check SCRIPT` shows whether it is the head's.",
    ]
