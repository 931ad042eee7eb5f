"""The cluster that a job ran on, for what its RESULT does not say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from raydock.machine import Machine
from raydock.rayapi.dashboard import Dashboard
from submit.results.fields import PoolUse, Workers
from submit.results.workers import read_workers
from submit.targets import open_target
from tests.fakes import FakeDashboard, Fault

POOLS = (PoolUse("cpu-worker", 2), PoolUse("gpu-worker", 1))


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDashboard]:
    monkeypatch.setattr("raydock.machine.here", lambda: Machine(8, 2**34))
    with FakeDashboard() as fake:
        monkeypatch.setenv("RAYDOCK_PORT", str(fake.port))
        yield fake


def read(address: str | None = None) -> Workers:
    async def ask() -> Workers:
        async with Dashboard(open_target("local", address)) as dashboard:
            return await read_workers(dashboard)

    return asyncio.run(ask())


@pytest.mark.parametrize(("told", "cores"), [([4, 2], 4), ([64, 32], 8), ("?", 8)])
def test_local_nodes_share_the_engines_cores(ray: FakeDashboard, told: object, cores: int) -> None:
    """Docker Desktop's machine may have fewer than this one."""
    ray.summary = [{"raylet": {"isHeadNode": True}, "cpus": told}]
    assert read() == Workers(3, POOLS, cores)


def test_other_clusters_have_cores_of_their_own(ray: FakeDashboard) -> None:
    assert read(ray.url) == Workers(3, POOLS, 0)


def test_unknown_if_the_cluster_does_not_answer(ray: FakeDashboard) -> None:
    ray.faults["GET /nodes"] = [Fault.REFUSE]
    assert read() == Workers()
