"""Which jobs start: the head's limit is never exceeded, some run alone, and refused ones get a clear message."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from cloud.config import jobs
from cloud.gateway.gate import Gate
from cloud.gateway.job_limit import HOLD, JobLimit, RunningJob, TooManyJobs, asks_alone, jobs_that_fit
from cloud.gateway.proxy import application
from iam.errors import IamError

KEY = "k"
HEADERS = {"Authorization": f"Bearer {KEY}"}
FULL = (
    "The head is already running 3 jobs, the most its memory allows. Try again when one finishes, or give it more "
    "memory (HEAD_MEMORY).\n"
)


@dataclass
class Ray:
    """A dashboard that is slow to start a job and then lists it."""

    running: list[Any] = field(default_factory=list)  # the bodies of the requests
    ended: int = 0
    most: int = 0
    lists: bool = True
    status: int = 200

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            if not self.lists:
                return web.Response(status=self.status, text="no JSON", headers={"Location": "/elsewhere"})
            found = [
                {"type": "SUBMISSION", "status": "RUNNING", "submission_id": "x", **one}
                for one in self.running
            ]
            others = [{"type": "SUBMISSION", "status": "SUCCEEDED"}, {"type": "DRIVER", "status": "FAILED"}]
            return web.json_response(found + others * 5)
        if request.path != "/api/jobs/":
            return web.Response(text="other")
        for _ in range(3):
            await asyncio.sleep(0)
        self.running.append(await request.json())
        self.most = max(self.most, len(self.running))
        return web.json_response({})


@asynccontextmanager
async def gateway(ray: Ray, most: int) -> AsyncIterator[aiohttp.ClientSession]:
    far, sha = web.Application(), hashlib.sha256(KEY.encode()).hexdigest()
    far.router.add_route("*", "/{path:.*}", ray.handle)
    async with TestServer(far) as dashboard:
        gate = Gate(f"http://127.0.0.1:{dashboard.port}", sha, job_limit=JobLimit(most))
        async with TestServer(application(gate)) as near:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{near.port}", headers=HEADERS) as client:
                yield client


async def started(client: aiohttp.ClientSession, body: Any = MappingProxyType({})) -> tuple[int, str]:
    async with client.post("/api/jobs/", json=dict(body)) as reply:
        return reply.status, await reply.text()


def test_the_limit_holds_under_concurrent_requests() -> None:
    async def run() -> None:
        ray = Ray()
        async with gateway(ray, 3) as client:
            answers = await asyncio.gather(*(started(client) for _ in range(20)))
            assert sorted(status for status, _ in answers) == [200] * 3 + [429] * 17
            assert {text for status, text in answers if status == 429} == {FULL}
            assert ray.most == 3
            async with client.post("/api/jobs/x/stop") as reply:
                assert await reply.text() == "other"  # other requests are not delayed
            ray.running.pop()
            assert [(await started(client))[0] for _ in range(2)] == [200, 429]

    asyncio.run(run())


def test_a_refused_client_retries_soon() -> None:
    async def run() -> None:
        async with gateway(Ray([{}]), 1) as client, client.post("/api/jobs/", json={}) as reply:
            assert (reply.status, reply.headers["Retry-After"]) == (429, "2")

    asyncio.run(run())


def admitted(limit: JobLimit, running: list[RunningJob], alone: bool = False) -> str:
    """ "" if the job may start, otherwise the refusal."""
    try:
        limit.admit(running, alone)
    except TooManyJobs as refusal:
        return str(refusal)
    return ""


ONE, DRIVER, LONE = (
    RunningJob("x-1"),
    RunningJob("Ray job 02", submitted=False),
    RunningJob("x-2", alone=True),
)


def test_a_job_that_is_to_run_alone_waits_and_lets_new_ones_wait() -> None:
    now = 100.0
    limit = JobLimit(clock=lambda: now)
    for other in (ONE, DRIVER):
        refusal = admitted(limit, [other], alone=True)
        assert refusal == f"The job is to run alone (--alone), but others are running: {other.name}."
    assert admitted(limit, [ONE]).startswith("A job that is to run alone (--alone) is waiting for")
    assert not admitted(limit, [], alone=True)
    assert admitted(limit, [LONE]) == "x-2 runs alone (--alone). Try again when it has finished."
    assert admitted(limit, [LONE], alone=True).endswith("but others are running: x-2.")
    now += HOLD
    assert not admitted(limit, [ONE])  # the one that waited has given up


def test_between_its_acceptance_and_the_dashboard_s_list_it_is_alone_too() -> None:
    assert "A job runs alone" in admitted(JobLimit(starting=1, alone_starting=1), [])
    assert "a job that is starting" in admitted(JobLimit(starting=1), [], alone=True)


def test_the_gateway_reads_the_wish_in_the_request_and_in_the_list() -> None:
    async def run() -> None:
        ray = Ray()
        alone = {"metadata": {"alone": "yes"}}
        async with gateway(ray, 0) as client:
            assert (await started(client))[0] == 200
            assert await started(client, alone) == (
                429,
                "The job is to run alone (--alone), but others are running: x.\n",
            )
            ray.running.clear()
            assert [(await started(client, body))[0] for body in (alone, {}, alone)] == [200, 429, 429]

    asyncio.run(run())


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"[" * 100_000, b"\xff", b'{"metadata": 1}', b'{"metadata": {"alone": "no"}}'],
)
def test_other_requests_do_not_ask_to_run_alone(content: bytes) -> None:
    assert not asks_alone(content)


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500, 503])
def test_no_job_starts_if_the_dashboard_does_not_list_jobs(status: int) -> None:
    async def run() -> None:
        ray = Ray(lists=False, status=status)
        async with gateway(ray, 3) as client:
            assert (await started(client))[0] == 502
        assert ray.running == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "path", ["/api/%6aobs/", "/%61pi/jobs/", "/api/jobs/#x", "/api/jobs/#?", "/api/jobs%2f"]
)
def test_no_spelling_of_the_path_bypasses_the_limit(path: str) -> None:
    """aiohttp, and therefore Ray, decodes the path before routing and drops a fragment."""

    async def run() -> None:
        ray = Ray([{}] * 3)
        async with gateway(ray, 3) as client:
            async with client.post(URL(path, encoded=True), json={}) as reply:
                assert reply.status in (400, 429)
        assert ray.running == [{}] * 3

    asyncio.run(run())


def test_a_client_that_sends_no_body_holds_no_slot() -> None:
    async def run() -> None:
        never = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"{"
            await never.wait()

        async with gateway(Ray(), 1) as client:
            hanging = [
                asyncio.create_task(client.post("/api/jobs/", data=slow()).__aenter__()) for _ in range(3)
            ]
            await asyncio.sleep(0.05)
            assert (await started(client))[0] == 200
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    asyncio.run(run())


def test_how_many_jobs_fit_on_a_head() -> None:
    assert [jobs_that_fit(gib << 30) for gib in (1, 2, 3, 8)] == [1, 8, 16, 56]
    assert [jobs("", memory) for memory in ("3g", "3072m", "3145728k", str(3 << 30), "3GB", "")] == [
        16
    ] * 5 + [0]
    assert (jobs("5", "3g"), jobs("0", "3g")) == (5, 0)
    with pytest.raises(IamError, match="Invalid value for LAB_JOBS: 'many'"):
        jobs("many", "3g")
