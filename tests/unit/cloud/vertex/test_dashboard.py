"""The dashboards' hosts, over TLS: authorization, and what is forwarded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes import FakeDashboard
from tests.labcloud import AGENT, TRAINER, YOU
from tests.labvertex import LabVertex, lab_vertex
from tests.unit.cloud.vertex.test_life import SPEC

NAME = "projects/123456789012/locations/us-central1/persistentResources/a"
ALICE = "user:alice@example.com"


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as found:
        yield found


@pytest.fixture
def lab(tmp_path: Path, ray: FakeDashboard) -> Iterator[LabVertex]:
    """A control plane with one cluster, whose dashboard is a fake."""

    async def create(found: LabVertex) -> None:
        clusters = found.plane.clusters
        operation = clusters.create(NAME, SPEC, "lab-project", AGENT, "v1")
        await clusters.wait_until_done(operation, 60)

    with lab_vertex(tmp_path, dashboard_port=ray.port) as found:
        found.run(create(found))
        yield found


def ask(
    lab: LabVertex, path: str = "/api/version", who: str = "", host: str = "", **more: str
) -> httpx.Response:
    """A program's GET to the host of the cluster's dashboard."""
    host = host or lab.plane.clusters.named(NAME).host
    headers = {"Host": host, **more}
    if who:
        headers["Authorization"] = f"Bearer {lab.token(who)}"
    with httpx.Client(verify=lab.trust(), trust_env=False) as client:
        url = f"https://127.0.0.1:{lab.port}{path}"
        return client.get(url, headers=headers, extensions={"sni_hostname": host})


def test_the_permission_to_get_the_cluster_is_sufficient(lab: LabVertex, ray: FakeDashboard) -> None:
    answer = ask(lab, who=YOU)
    assert (answer.status_code, answer.json()["ray_version"]) == (200, "2.47.1")
    assert ask(lab, who=AGENT).status_code == 200  # its role has get
    assert ray.requests == ["GET /api/version"] * 2


def test_a_missing_or_expired_token_is_unauthenticated(lab: LabVertex, ray: FakeDashboard) -> None:
    answer = ask(lab)
    assert (answer.status_code, answer.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
    assert answer.text.startswith("Request is missing required authentication credential.")
    old = ask(lab, Authorization=f"Bearer {lab.token(YOU, -1)}")
    assert (old.status_code, old.text[:47]) == (401, "Request had invalid authentication credentials.")
    assert ask(lab, Cookie="raydock_443=1", Authorization="Basic x").status_code == 401
    assert ray.requests == []


@pytest.mark.parametrize("who", [ALICE, TRAINER])
def test_without_the_permission_a_call_is_denied(lab: LabVertex, ray: FakeDashboard, who: str) -> None:
    answer = ask(lab, who=who)
    assert (answer.status_code, answer.text.strip()) == (
        403,
        f"Permission 'aiplatform.persistentResources.get' denied on resource '//aiplatform.googleapis.com/{NAME}' "
        "(or it may not exist).",
    )
    assert ray.requests == []


def test_other_hosts_and_dotted_paths_are_refused(lab: LabVertex, ray: FakeDashboard) -> None:
    other = "ray-1.aiplatform-training.googleusercontent.com"
    if other == lab.plane.clusters.named(NAME).host:
        other = other.replace("1", "2", 1)
    assert ask(lab, who=YOU, host=other).status_code == 404
    assert ask(lab, who=YOU, host="us-central1-aiplatform.googleapis.com").status_code == 501  # the REST API
    assert ask(lab, "/%2e%2e/api/version", who=YOU).status_code == 400
    assert ray.requests == []


def test_a_cluster_that_does_not_run_has_no_dashboard(lab: LabVertex) -> None:
    lab.plane.clusters.named(NAME).state = "STOPPING"
    answer = ask(lab, who=YOU)
    assert (answer.status_code, answer.text) == (503, "The cluster is STOPPING.\n")
