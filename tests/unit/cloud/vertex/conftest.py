"""Google's own SDK, connected to a control plane in this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes import FakeNodes
from tests.labcloud import YOU
from tests.labvertex import REGION, LabVertex, lab_vertex


@pytest.fixture(autouse=True)
def one_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of one CPU, whatever machine this is."""
    monkeypatch.setenv("VERTEX_NODE_CPUS", "1")


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes()


@pytest.fixture
def vertex(tmp_path: Path, nodes: FakeNodes) -> Iterator[LabVertex]:
    with lab_vertex(tmp_path, nodes) as found:
        yield found


@pytest.fixture
def sdk(vertex: LabVertex, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`sdk(principal)` is `vertex_ray` as that principal. Only its connections and its sleeps are replaced."""
    import time

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.cloud import aiplatform
        from google.cloud.aiplatform import vertex_ray
        from google.cloud.aiplatform.vertex_ray.util import _gapic_utils
    from google.cloud.aiplatform_v1beta1.services.persistent_resource_service import transports
    from google.cloud.resourcemanager_v3.services.projects import transports as project_transports
    from google.oauth2.credentials import Credentials

    def channel(host: str, credentials: Any = None, **_: Any) -> Any:
        return vertex.channel(host.partition(":")[0], credentials)

    for transport in (
        transports.PersistentResourceServiceGrpcTransport,
        project_transports.ProjectsGrpcTransport,
    ):
        monkeypatch.setattr(transport, "create_channel", channel)
    quick = SimpleNamespace(sleep=lambda _: time.sleep(0.02), time=time.time)
    monkeypatch.setattr(_gapic_utils, "time", quick)

    def as_principal(principal: str = YOU) -> Any:
        credentials = Credentials(vertex.token(principal))
        aiplatform.init(project="lab-project", location=REGION, credentials=credentials)
        return vertex_ray

    return as_principal
