"""A job that has not started: why, from Ray's own log, and how to stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job, job_of
from submit.errors import Lost
from submit.follow.pending import PendingLine, reason, stage, status
from submit.follow.polling import PollIntervals
from submit.follow.supervisor import stop
from submit.targets import open_target
from tests.fakes import FakeDashboard, FakeJob, Fault

PIP = ("humanize", "polars==1.9.0")
JOB = Job("a", "PENDING", package="_ray_pkg_7e6d.zip", installs=PIP)
OURS, OTHER = "6a9d" * 10, "0b1c" * 10
ENV = "/tmp/ray/session_1/runtime_resources/pip/{}/virtualenv"


def log(*messages: str) -> str:
    return "".join(f"2026-11-26 20:44:19,383\tINFO x.py:1 -- {message}\n" for message in messages)


FOUND = "Downloading package from gcs://_ray_pkg_7e6d.zip to /tmp"
CREATING = f"Creating virtualenv at {ENV.format(OURS)}, current python dir /usr"
INSTALLING = f"Installing python requirements to {ENV.format(OURS)}"
ADDED = f"Added URI pip://{OURS} with size 1"
REUSED = f"Runtime env pip pip://{OURS} is already installed and will be reused."
OTHERS = log(f"Creating virtualenv at {ENV.format(OTHER)}", f"Added URI pip://{OTHER} with size 1")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", ""),
        (OTHERS, ""),
        (log(FOUND), "downloading the package"),
        (log(FOUND, CREATING), "creating a virtual environment"),
        (log(FOUND, CREATING, INSTALLING), "pip is installing humanize, polars==1.9.0"),
        (log(FOUND, CREATING, INSTALLING) + OTHERS, "pip is installing humanize, polars==1.9.0"),
        (OTHERS + log(FOUND, CREATING), "creating a virtual environment"),
        (log(FOUND, CREATING, INSTALLING, ADDED), "starting the job"),
        (log(FOUND, CREATING, INSTALLING) + "ERROR: No matching distribution found for x\n" + log(CREATING),
         "creating a virtual environment, attempt 2: No matching distribution found for x"),
        (log(ADDED, FOUND, REUSED), "starting the job"),
    ],
)  # fmt: skip
def test_stage_from_the_setup_log(lines: str, expected: str) -> None:
    assert stage(lines, JOB) == expected


def test_stage_without_dependencies() -> None:
    assert stage(log(FOUND), replace(JOB, installs=())) == "starting the job"
    assert stage(log(FOUND), Job("a", "PENDING")) == ""


@pytest.mark.parametrize("pip", [list(PIP), {"packages": list(PIP), "pip_check": False}])
def test_job_knows_its_package_and_dependencies(pip: object) -> None:
    env = {"working_dir": "gcs://_ray_pkg_7e6d.zip", "pip": pip}
    assert job_of({"submission_id": "a", "status": "PENDING", "runtime_env": env}) == JOB
    assert job_of({"runtime_env": {"pip": "requirements.txt"}}).installs == ()


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


def supervisor(submission_id: str, state: str = "PENDING_CREATION", **required: float) -> dict[str, object]:
    return {
        "name": f"_ray_internal_job_actor_{submission_id}", "class_name": "JobSupervisor", "state": state,
        "actor_id": "772250b95384ef64d1b76e1001000000", "required_resources": required,
    }  # fmt: skip


def why(ray: FakeDashboard) -> str:
    async def ask() -> str:
        async with Dashboard(open_target("local", ray.url)) as dashboard:
            return await reason(dashboard, JOB)

    return asyncio.run(ask())


def test_reason(ray: FakeDashboard) -> None:
    assert why(ray) == "waiting for the cluster to start it"
    ray.actors = [supervisor("a", CPU=50)]
    assert why(ray) == "waiting for a node with 50 CPU free"
    ray.files["runtime_env_setup-01000000.log"] = log(FOUND, CREATING, INSTALLING).encode()
    assert why(ray) == "pip is installing humanize, polars==1.9.0"
    ray.actors = [supervisor("a", "ALIVE")]
    assert why(ray) == "starting the job"
    ray.faults["GET /api/v0/actors"] = [Fault.ERROR]
    assert why(ray) == "waiting for the cluster to start it"


def test_line_says_how_long() -> None:
    assert status(JOB, 83.4, "pip is installing x") == "PENDING for 1 min 23 s: pip is installing x"


def test_line_is_removed_when_the_job_runs(ray: FakeDashboard) -> None:
    shown: list[str] = []

    async def watch() -> None:
        running = asyncio.Event()

        def show(text: str) -> None:
            shown.append(text)
            running.set()

        async with Dashboard(open_target("local", ray.url)) as dashboard:
            await PendingLine(dashboard, show, 2).show(lambda: JOB, running)

    asyncio.run(watch())
    assert shown == ["PENDING for 0 s: waiting for the cluster to start it", ""]


QUICK = PollIntervals(pending_stop=0, stop_timeout=0.3)


def stopped(ray: FakeDashboard) -> Job:
    async def ask() -> Job:
        async with Dashboard(open_target("local", ray.url)) as dashboard:
            return await stop(dashboard, "a", replace(QUICK, stop_timeout=60) if ray.actors else QUICK)

    return asyncio.run(ask())


def test_stop_removes_a_supervisor_that_cannot_start(ray: FakeDashboard) -> None:
    ray.jobs["a"] = FakeJob("a", status="PENDING", stoppable=False)
    ray.actors = [supervisor("b", "ALIVE"), supervisor("a")]
    ray.actors[0]["actor_id"] = "another"
    assert stopped(ray).status == "FAILED"
    assert [path for path in ray.requests if "/kill" in path] == [
        "GET /api/actors/kill?actor_id=772250b95384ef64d1b76e1001000000&force_kill=true&no_restart=true"
    ]


@pytest.mark.parametrize(
    ("status", "actors"),
    [
        ("RUNNING", [supervisor("a", "ALIVE")]),
        ("PENDING", []),
        ("PENDING", [supervisor("a", "DEAD")]),
        ("PENDING", [supervisor("a"), supervisor("a")]),
        ("PENDING", [{**supervisor("a"), "class_name": "Other"}]),
    ],
)
def test_stop_removes_nothing_else(ray: FakeDashboard, status: str, actors: list[dict[str, object]]) -> None:
    ray.jobs["a"] = FakeJob("a", status=status, stoppable=False)

    async def ask() -> None:
        async with Dashboard(open_target("local", ray.url)) as dashboard:
            ray.actors = actors
            await stop(dashboard, "a", QUICK)

    with pytest.raises(Lost):
        asyncio.run(ask())
    assert ray.count("GET /api/actors/kill") == 0
