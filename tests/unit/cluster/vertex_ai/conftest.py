"""`python -m cluster … --target vertex` with Google's own SDK, pointed at a control plane in this process."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster import cli
from cluster.vertex_ai import cli as vertex_cli
from raydock.rayapi import blocking
from raydock.rayapi.client import open_client
from raydock.rayapi.endpoint import Endpoint
from tests.fakes import FakeDashboard, FakeNodes
from tests.labcloud import YOU
from tests.labvertex import PARENT, LabVertex, lab_vertex
from vertex import client, location, service_agent

Run = Callable[..., tuple[int, str, str]]
NUMBER = "123456789012"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A separate state folder, no `.env`, and no settings from the environment."""
    for name in list(os.environ):
        if name.startswith(("RAYDOCK_", "CPU_WORKER", "GPU_WORKER", "VERTEX_", "GOOGLE_CLOUD_", "COMPOSE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("raydock.versions.today", lambda: date(2026, 11, 26))
    monkeypatch.setattr("raydock.settings.dotenv", lambda path, environ: {})


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes()


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    """The dashboard of every cluster in the control plane."""
    with FakeDashboard() as found:
        yield found


@pytest.fixture
def lab(tmp_path: Path, nodes: FakeNodes, ray: FakeDashboard) -> Iterator[LabVertex]:
    with lab_vertex(tmp_path, nodes, dashboard_port=ray.port) as found:
        yield found


class Rerouted(httpx.BaseTransport):
    """Sends the requests for every host to the control plane; SNI tells the host."""

    def __init__(self, lab: LabVertex) -> None:
        self.port, self.inner = lab.port, httpx.HTTPTransport(verify=lab.trust())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1", port=self.port)
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


def rerouted(endpoint: Endpoint, lab: LabVertex) -> httpx.Client:
    """The real client, which reaches clusters through the control plane."""
    made = open_client(endpoint)
    if not endpoint.url.startswith("https://"):
        return made
    made.close()
    return httpx.Client(base_url=made.base_url, auth=made.auth, timeout=made.timeout, transport=Rerouted(lab))


class Holder:
    """The caller's token from the lab, with the interface of `AccessToken`."""

    def __init__(self, lab: LabVertex, principal: str) -> None:
        self.lab, self.principal = lab, principal
        self.bad: list[str] = []

    def value(self) -> str:
        return self.lab.token(self.principal)

    def turned_down(self, value: str) -> None:
        self.bad.append(value)


@pytest.fixture
def as_caller(lab: LabVertex, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`as_caller(principal)` sets whose credentials the commands find."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.cloud.aiplatform_v1beta1.services.persistent_resource_service import transports
    from google.oauth2.credentials import Credentials

    def channel(host: str, credentials: Any = None, **_: Any) -> Any:
        return lab.channel(host.partition(":")[0], credentials)

    async def project_number(project: str) -> str:
        return NUMBER

    monkeypatch.setattr(transports.PersistentResourceServiceGrpcTransport, "create_channel", channel)
    monkeypatch.setattr(blocking, "open_client", lambda endpoint: rerouted(endpoint, lab))
    monkeypatch.setattr(service_agent, "project_number", project_number)
    monkeypatch.setattr("raydock.waiting.LONGEST_PAUSE", 0.05)
    monkeypatch.setattr("raydock.waiting.FIRST_PAUSE", 0.02)

    def become(principal: str) -> None:
        found = (Credentials(lab.token(principal)), "lab-project")
        for module in (client, location):
            monkeypatch.setattr(module, "default_credentials", lambda: found)
        monkeypatch.setattr(vertex_cli, "AccessToken", lambda: Holder(lab, principal))

    return become


@pytest.fixture
def run(as_caller: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("up", "--yes")` is `python -m cluster up --target vertex --yes`: exit code, stdout, stderr."""
    as_caller(YOU)

    def go(verb: str, *more: str) -> tuple[int, str, str]:
        status = cli.main([verb, "--target", "vertex", *more])
        out, err = capsys.readouterr()
        return status, out, err

    return go


def cluster_of(lab: LabVertex, name: str = "raydock") -> Any:
    """The control plane's own record of a cluster."""
    return lab.plane.clusters.named(f"{PARENT}/persistentResources/{name}")


def pools(nodes: FakeNodes) -> dict[str, int]:
    counts: dict[str, int] = {}
    for key in nodes.there:
        counts[key.pool] = counts.get(key.pool, 0) + 1
    return counts


def timeless(text: str) -> str:
    """The text with every duration replaced by TIME."""
    return re.sub(r"\d+ (?:h \d+ min|s\b|min)", "TIME", text)
