"""Whatever a script, a command line, an environment or a cluster holds, a run ends with a sentence and a verdict.

The whole submitter runs in this process, against the fake dashboard over real sockets. `make test` tries 100 worlds,
`make test-all` 5,000.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, note, settings

from raydock import crash
from raydock.rayapi import dashboard
from raydock.rayapi.endpoint import Timeouts
from raydock.terminal.printable import UNSAFE
from submit import cli
from submit.follow import follower, polling, supervisor
from tests import hostile
from tests.fakes import Answer, FakeDashboard, FakeJob

EXAMPLES = 100 if settings.default is None or settings.default.max_examples <= 100 else 5000
VERDICTS = {"SUCCEEDED": 0, "FAILED": 1, "STOPPED": 5}
CODES = {0, 1, 2, 3, 4, 5}  # 70 is a bug of ours; nothing here interrupts, or fills a disk
HASTE = polling.PollIntervals(
    min=0.001,
    max=0.002,
    idle=0.002,
    supervised=0.002,
    unknown_timeout=0.02,
    retry=0.001,
    outage_timeout=0.02,
    stuck_first=0.001,
    stuck_max=0.001,
    stop_timeout=0.05,
    bytes_per_second=1e12,
)
PATIENCE = Timeouts(connect=5, read=5, submit=5, upload=5)
KEPT = ("PATH", "LANG", "HYPOTHESIS_STORAGE_DIRECTORY")
FAILED = re.compile(rb'"status": "FAILED"')
SUCCEEDED = re.compile(rb'"status": "SUCCEEDED"')
HANGS = 120  # seconds: no world takes a hundredth of that

real_sleep, real_getaddrinfo = asyncio.sleep, socket.getaddrinfo


@pytest.fixture(scope="module")
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


async def nap(seconds: float, *_: Any) -> None:
    await real_sleep(min(seconds, 0.002))


def known_hosts(host: Any, *more: Any, **others: Any) -> Any:
    """No name server is asked."""
    if host not in ("127.0.0.1", "localhost", None):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return real_getaddrinfo(host, *more, **others)


@dataclass
class Ended:
    """How a run ended, and what the cluster had said."""

    code: int
    out: bytes
    err: str
    faults: list[BaseException]
    said: bytes


@contextmanager
def inside(home: Path, env: dict[str, str]) -> Iterator[None]:
    """A checkout and a current folder of its own, and that environment; time passes quickly."""
    before, handlers = Path.cwd(), [(one, signal.getsignal(one)) for one in (signal.SIGTERM, signal.SIGALRM)]
    with (
        mock.patch.dict(os.environ, env, clear=True),
        mock.patch.multiple("raydock.settings", ROOT=home),
        mock.patch.multiple("raydock.state", ROOT=home),
        mock.patch.multiple("raydock.crash", ROOT=home),
        mock.patch.multiple("submit.run", Follower=partial(follower.Follower, intervals=HASTE)),
        mock.patch.multiple("submit.commands", stop_job=partial(supervisor.stop, intervals=HASTE)),
        mock.patch.multiple("submit.run", Dashboard=partial(dashboard.Dashboard, timeouts=PATIENCE)),
        mock.patch.multiple("submit.probing.probe", TIMEOUT=0.05),
        mock.patch.object(asyncio, "sleep", nap),
        mock.patch.object(socket, "getaddrinfo", known_hosts),
    ):
        try:
            os.chdir(home)
            signal.signal(signal.SIGALRM, hangs)
            signal.alarm(HANGS)
            yield
        finally:
            signal.alarm(0)
            os.chdir(before)
            for number, handler in handlers:
                signal.signal(number, handler)


def hangs(*_: object) -> None:
    raise AssertionError("it hangs")


def run(ray: FakeDashboard, home: Path, words: list[str], world: hostile.World) -> Ended:
    """One run of the submitter."""
    cluster, encoding = world.cluster, world.encoding
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    env |= {"RAYDOCK_PORT": str(ray.port), "RAYDOCK_STATE": "state", "HOME": str(home.parent), **world.env}
    said, faults, looks = bytearray(), [], []

    def twist(request: str, answer: Answer) -> Answer:
        looks.append(request) if request.startswith("GET /api/jobs/") else None
        if len(looks) >= cluster.looks:
            for job in ray.jobs.values():
                job.end(cluster.status, cluster.message)
        answer = cluster.twist(request, answer)
        said.extend(answer.body + b"\n")
        return answer

    def submitted(job: FakeJob) -> None:
        job.write(cluster.log)
        job.supervisor = cluster.supervisor

    def noted(tool: str, fault: BaseException, folder: Path | None = None) -> str:
        faults.append(fault)
        return sentence(tool, fault, folder)

    sentence = crash.sentence
    ray.jobs, ray.stored, ray.on_submit, ray.twist = {}, {}, submitted, twist
    ray.jobs["a"] = FakeJob("a")
    ray.tasks = [
        {"func_or_class_name": "f", "required_resources": {"CPU": 99}, "state": "PENDING_NODE_ASSIGNMENT"}
    ]
    ray.groups = [{"name": "g", "creator_job_id": "01000000", "bundles": [{"unit_resources": {"GPU": 7}}]}]
    submitted(ray.jobs["a"])
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    err = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace")
    with (
        inside(home, env),
        mock.patch.multiple(sys, stdout=out, stderr=err),
        mock.patch.object(crash, "sentence", noted),
    ):
        try:
            code: Any = cli.main(words)
        except SystemExit as end:
            code = end.code
        out.flush()
    err.flush()
    return Ended(code, out.buffer.getvalue(), err.buffer.getvalue().decode(encoding), faults, bytes(said))


def lay_out(home: Path, world: hostile.World) -> None:
    """The files of a world."""
    for name, data in {**world.beside, world.script: world.source}.items():
        path = home / name
        if not path.parent.is_file() and not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    if world.dotenv is not None:
        (home / ".env").write_bytes(world.dotenv)
    (home / "loop").symlink_to("loop")
    (home / "state/results").mkdir(parents=True)
    for number, record in enumerate(world.records):
        (home / f"state/results/kept-{number}.json").write_text(json.dumps(record))


def world(
    verb: str = "",
    *options: str,
    operand: str = "{script}",
    source: bytes = b"",
    env: Any = (),
    **changes: Any,
) -> hostile.World:
    """One that was met; `changes` are those of a Tampering."""
    line = hostile.Line(
        verb, [["--skip-check"], *([one] for one in options)] if not verb else [], operand, 0, None, None
    )
    found = [hostile.Tampering(times=100, **changes)] if changes else []
    cluster = hostile.Cluster("SUCCEEDED", "", b"x\n", b"", tampering=found)
    return hostile.World(line, "x.py", source, {}, dict(env), None, cluster, [], "utf-8")


READS = hostile.HEADER.encode()
JOB, NODES, LAB = "GET /api/jobs/", "GET /api/v0/nodes", "GET /lab/"


@example(world("", "--address", "http://["))
@example(world("report", operand="a" * 700))
@example(world("logs", operand="a" * 300))
@example(world(source=b"x = y" + b".a" * 2000))
@example(world(source=b"x = 1" + b"+1" * 900))
@example(world(route=LAB, body=b"[]"))
@example(world(source=READS, route=LAB, body=b"{}"))
@example(world(source=READS, route="POST /google/", body=b'{"accessToken": "\\ud800"}'))
@example(world(source=READS, route="GET /google/", body=b"[1"))
@example(world(route=JOB, body=b'{"submission_id": "a", "status": {}, "start_time": "x"}'))
@example(
    world(
        "attach",
        route=JOB,
        body=b'{"submission_id": "a", "status": "FAILED", "end_time": 1e999, "message": 7}',
    )
)
@example(world("list", route=JOB, body=b'[1, {"submission_id": "\\ud800", "start_time": 1e18}]'))
@example(world(route=NODES, body=b'{"data": null}'))
@example(world(route=NODES, body=b'{"data": {"result": {"result": [7, {"state": "ALIVE", "labels": 1}]}}}'))
@example(
    world(
        route="GET /nodes",
        body=b'{"data": {"summary": [{"raylet": {"isHeadNode": 1}, "disk": {"/": {"total": 9}}}]}}',
    )
)
@example(world(route="GET /api/v0/logs/file", body=b'{"python": "x", "packages": [], "modules": 3}'))
@example(world(env={"RAY_JOB_HEADERS": "[" * 100_000}.items()))
@settings(max_examples=EXAMPLES)
@given(hostile.worlds())
def test_every_run_ends_with_a_sentence_and_a_verdict(ray: FakeDashboard, found: hostile.World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve() / "home" / "checkout"  # ".." and "~" lead to the first
        home.mkdir(parents=True)
        lay_out(home, found)
        words = found.line.words(found.script, ray.url)
        ended = run(ray, home, words, found)
    note(f"{words!r} ended with {ended.code}:\n{ended.err}")
    check(ended, found.cluster, words)


def check(ended: Ended, cluster: hostile.Cluster, words: list[str]) -> None:
    """Holds an ended run to what the submitter promises."""
    for fault in ended.faults:
        raise fault
    assert ended.code in CODES
    assert "Traceback" not in ended.err
    assert "internal error" not in ended.err
    assert not UNSAFE.search(ended.err.replace("\n", ""))
    if ended.code == 1:
        assert FAILED.search(ended.said)
    if followed(ended):
        assert ended.code != 0 or SUCCEEDED.search(ended.said)
        if not cluster.tampering:
            assert ended.code == VERDICTS[cluster.status] or "--result" in " ".join(words)
            assert ended.out == cluster.log


def followed(ended: Ended) -> bool:
    """Whether the run sent a job and followed it."""
    return "\nsent " in f"\n{ended.err}" and "\nfollow it with: " not in ended.err
