"""A log that is followed through the API server's proxy is complete, whatever connection breaks off, and wherever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job
from submit.follow.follower import Follower, Messages
from submit.follow.log import Log
from submit.follow.polling import PollIntervals
from submit.targets import TargetOptions
from submit.targets.kuberay import KuberayTarget
from tests import kubeserver
from tests.fakekube import FakeKube, raycluster, write_kubeconfig
from tests.fakes import FakeDashboard, FakeJob
from tests.kubeserver import ADMIN
from tests.labcloud import abort_connections
from tests.relay import Relay

QUICK = PollIntervals(
    pause=0,
    min=0.001,
    max=0.001,
    growing=0.001,
    idle=0.001,
    retry=0.001,
    outage_timeout=600,
    bytes_per_second=1e9,
)
CUTS, LINES, SPACE = 10, 60, "cuts"  # cuts in each log, and lines between two of them
Server = Callable[[FakeDashboard, pytest.FixtureRequest, Path], AbstractContextManager[Relay]]
HERE = "tests/contract/test_cut_connections.py"


@pytest.fixture(scope="module")
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


@contextmanager
def fake_server(ray: FakeDashboard, request: pytest.FixtureRequest, config: Path) -> Iterator[Relay]:
    """A stand-in for the API server, which is reached through the relay."""
    with FakeKube(ray.port) as kube, Relay(int(kube.server.server_address[1])) as relay:
        write_kubeconfig(config, f"http://127.0.0.1:{relay.port}")
        yield relay


@contextmanager
def real_server(ray: FakeDashboard, request: pytest.FixtureRequest, config: Path) -> Iterator[Relay]:
    """A real API server, which is reached through the relay."""
    server: kubeserver.KubeServer = request.getfixturevalue("kube_server")
    with Relay(ray.port, kubeserver.own_address()) as behind, Relay(server.port) as relay:
        server.namespace(SPACE)
        kubeserver.expose(server, raycluster(namespace=SPACE), behind.port)
        server.kubeconfig(config, ADMIN, relay.port, SPACE)
        yield relay


def follow(ray: FakeDashboard, relay: Relay, name: str) -> tuple[Job, bytes, bytes]:
    """Follows a job while connections break off. Returns its end, what it wrote, and what was shown."""
    chance, job, shown = random.Random(name), FakeJob(name), bytearray()
    ray.jobs[name] = job

    async def grow() -> None:
        for number in range(CUTS):
            relay.cut_after(chance.randrange(1, 5000))
            job.write(lines_of(chance, number))
            await asyncio.to_thread(relay.wait_until_cut)
        job.end("SUCCEEDED")

    async def run() -> Job:
        async with Dashboard(KuberayTarget(TargetOptions(cluster="lab"))) as dashboard:
            follower = Follower(dashboard, name, Log(shown.extend), Messages(lambda line: None), QUICK)
            ended, _ = await asyncio.gather(follower.run(), grow())
        await abort_connections()
        return ended

    return asyncio.run(run()), job.log, bytes(shown)


def lines_of(chance: random.Random, part: int) -> bytes:
    """Lines of any length, each of which exists once."""
    return b"".join(b"%d/%d %s\n" % (part, line, b"x" * chance.randrange(150)) for line in range(LINES))


@pytest.mark.parametrize(
    ("server", "logs"),
    [
        pytest.param(fake_server, 5, id="fake-5"),
        pytest.param(
            real_server,
            50,
            id="real-50",
            marks=kubeserver.needed(f"{HERE}::test_every_line_is_shown_once[fake-5]"),
        ),
    ],
)
def test_every_line_is_shown_once(
    ray: FakeDashboard,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: Server,
    logs: int,
) -> None:
    config = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(config))
    with server(ray, request, config) as relay:
        for number in range(logs):
            ended, written, shown = follow(ray, relay, f"log-{number}")
            assert (ended.status, shown == written, len(written) > 0) == ("SUCCEEDED", True, True)
    assert relay.cuts == logs * CUTS
