"""`python -m cluster … --target kuberay`, against a stand-in for the API server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import cli
from kuberay import lookup
from raydock import waiting
from tests.fakekube import FakeKube, write_kubeconfig
from tests.fakes import FakeDashboard

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A separate state folder, no `.env`, and no settings from the environment."""
    for name in list(os.environ):
        if name.startswith(("RAYDOCK_", "CPU_WORKER", "GPU_WORKER", "COMPOSE_", lookup.TOKEN)):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("raydock.settings.dotenv", lambda path, environ: {})
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 0.001)


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


@pytest.fixture
def kube(ray: FakeDashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKube]:
    with FakeKube(ray.port) as fake:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "config", fake.url)))
        fake.clusters.clear()
        yield fake


@pytest.fixture
def run(kube: FakeKube, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("up", "--yes")` is `python -m cluster up --target kuberay --yes`: exit code, stdout, stderr."""

    def go(verb: str, *more: str) -> tuple[int, str, str]:
        status = cli.main([verb, "--target", "kuberay", *more])
        out, err = capsys.readouterr()
        return status, out, err

    return go
