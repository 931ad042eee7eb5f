"""Clusters through Google's own SDK, against the lab's control plane in this process."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from raydock.errors import PermissionDenied, Unreachable
from raydock.gcp.tokens import AccessToken
from tests.fakes import FakeNodes
from tests.labcloud import AGENT, TRAINER, YOU
from tests.labvertex import LabVertex, lab_vertex
from vertex import location as places
from vertex.client import VertexClient
from vertex.cluster import Cluster, ResourcePool
from vertex.errors import ClusterNotFound, Exists, NotConfigured, RequestRejected, Unusable
from vertex.location import Location, resolve_location

PLACE = Location("lab-project", "us-central1")
IMAGE = "us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest"


@pytest.fixture
def vertex(tmp_path: Path) -> Iterator[LabVertex]:
    with lab_vertex(tmp_path, FakeNodes()) as found:
        yield found


@pytest.fixture
def api(vertex: LabVertex, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`api(principal)` is a VertexClient with that caller's credentials; only the channel to the host is replaced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.cloud.aiplatform_v1beta1.services.persistent_resource_service import transports
    from google.oauth2.credentials import Credentials

    def channel(host: str, credentials: Any = None, **_: Any) -> Any:
        return vertex.channel(host.partition(":")[0], credentials)

    monkeypatch.setattr(transports.PersistentResourceServiceGrpcTransport, "create_channel", channel)

    def of(principal: str = YOU, location: Location = PLACE) -> VertexClient:
        credentials = Credentials(vertex.token(principal))
        monkeypatch.setattr("vertex.client.default_credentials", lambda: (credentials, "lab-project"))
        return VertexClient(location)

    return of


def resource(account: str = "") -> Any:
    from google.cloud import aiplatform_v1beta1 as sdk

    pools = [
        sdk.ResourcePool(id="head-node", replica_count=2, machine_spec={"machine_type": "n1-standard-16"}),
        sdk.ResourcePool(
            id="worker-pool1",
            replica_count=1,
            machine_spec={
                "machine_type": "n1-standard-16", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1
            },
        ),
    ]  # fmt: skip
    spec: dict[str, Any] = {"ray_spec": {"resource_pool_images": {pool.id: IMAGE for pool in pools}}}
    if account:
        spec["service_account_spec"] = {"enable_custom_service_account": True, "service_account": account}
    return sdk.PersistentResource(resource_pools=pools, resource_runtime_spec=spec, labels={"a": "b"})


def until(api: VertexClient, cluster: str, state: str) -> Cluster:
    deadline = time.monotonic() + 120
    while (found := api.get(cluster)).state != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_the_life_of_a_cluster(api: Any) -> None:
    one = api()
    one.create("first", resource())
    found = until(one, "first", "RUNNING")
    assert (found.id, found.project_number, found.ray, found.python) == (
        "first",
        "123456789012",
        "2.47",
        "3.11",
    )
    assert (found.principal, dict(found.labels), found.error) == (AGENT, {"a": "b"}, "")
    assert found.pools[1] == ResourcePool(
        "worker-pool1", "n1-standard-16", "NVIDIA_TESLA_T4", 1, 1, image=IMAGE
    )
    assert found.dashboard.endswith(".aiplatform-training.googleusercontent.com")
    assert time.time() - found.created < 60
    found.raise_if_unusable()
    with pytest.raises(Exists) as there:
        one.create("first", resource())
    assert there.value.message == "Cluster first already exists in lab-project, us-central1."
    changed = one.get_message("first")
    changed.resource_pools[1].replica_count = 2
    one.update(changed, ["resource_pools.replica_count"])
    until(one, "first", "RUNNING")
    assert [pool.nodes for pool in one.list_clusters()[0].pools] == [2, 2]
    one.delete("first")
    deadline = time.monotonic() + 120
    while one.list_clusters() and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(ClusterNotFound) as missing:
        one.get("first")
    assert missing.value.message == "There is no cluster first in lab-project, us-central1."


def test_jobs_run_as_the_clusters_account(api: Any) -> None:
    one = api()
    one.create("trained", resource(TRAINER.partition(":")[2]))
    assert until(one, "trained", "RUNNING").principal == TRAINER


def test_a_caller_without_a_role_gets_googles_message(api: Any) -> None:
    caller = api("user:nobody@example.com")
    with pytest.raises(RequestRejected) as refused:
        caller.get("first")
    assert refused.value.message.startswith(
        "Google rejected the request to get cluster first: Permission 'aiplatform.persistentResources.get' denied"
    )
    assert "roles/aiplatform.user" in refused.value.fix


def test_no_answer(monkeypatch: pytest.MonkeyPatch, api: Any) -> None:
    import grpc
    from google.cloud.aiplatform_v1beta1.services.persistent_resource_service import transports

    monkeypatch.setattr(
        transports.PersistentResourceServiceGrpcTransport,
        "create_channel",
        lambda *_, **__: grpc.insecure_channel("127.0.0.1:1"),
    )
    with pytest.raises(Unreachable) as nothing:
        api().get("first")
    assert nothing.value.message.startswith("us-central1-aiplatform.googleapis.com is not responding: ")


def named(state: str = "RUNNING", **more: Any) -> Cluster:
    plain = Cluster("projects/1/locations/r/persistentResources/c", state, "", "d", "", (), {}, 0.0)
    return replace(plain, **more)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (named("ERROR", error="quota"), "Cluster c is in state ERROR: quota."),
        (named("STOPPING"), "Cluster c is being deleted."),
        (named(has_ray=False), "c is a persistent resource, but not a Ray cluster."),
        (named(dashboard=""), "Cluster c has no dashboard address, so it can't accept jobs."),
    ],
)
def test_clusters_that_accept_no_jobs(cluster: Cluster, message: str) -> None:
    with pytest.raises(Unusable) as caught:
        cluster.raise_if_unusable()
    assert caught.value.message == message


def test_the_versions_of_a_custom_image_are_unknown() -> None:
    found = named(pools=(ResourcePool("head-node", "n1", "", 0, 1, image="us-docker.pkg.dev/p/mine:1"),))
    assert (found.ray, found.python) == ("", "")


def settings(**values: str) -> Any:
    return lambda name, default: values.get(name, default)


def test_location_and_name_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "project_of_credentials", lambda: "mine")
    assert resolve_location("", "", "", settings()) == (Location("mine", "us-central1"), "")
    given = settings(GOOGLE_CLOUD_PROJECT="p", GOOGLE_CLOUD_REGION="r", VERTEX_CLUSTER="c")
    assert resolve_location("", "", "", given) == (Location("p", "r"), "c")
    assert resolve_location("q", "s", "d", given) == (Location("q", "s"), "d")
    whole = "projects/7/locations/europe-west4/persistentResources/e"
    assert resolve_location("q", "", whole, given) == (Location("7", "europe-west4"), "e")
    monkeypatch.setattr(places, "project_of_credentials", lambda: "")
    with pytest.raises(NotConfigured) as unset:
        resolve_location("", "", "c", settings())
    assert unset.value.fix == "add --project ID, or --lab for the lab's Vertex AI"
    with pytest.raises(NotConfigured):
        PLACE.resource_name("Not_A_Name")


class Credentials:
    """Returns tokens that are valid for some seconds, or fails if `fails` is set."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.fails, self.count = seconds, False, 0
        self.token, self.expiry = "", datetime.now()

    def refresh(self, request: Any) -> None:
        import google.auth.exceptions

        if self.fails:
            raise google.auth.exceptions.TransportError("no network")
        self.count += 1
        self.token = f"t{self.count}"
        self.expiry = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(seconds=self.seconds)


def test_a_token_is_reused_and_renewed_before_it_expires_or_after_a_rejection() -> None:
    now = [0.0]
    token = AccessToken(Credentials(600), lambda: now[0])
    assert (token.value(), token.value()) == ("t1", "t1")
    now[0] = 390
    assert token.value() == "t1"
    now[0] = 401  # after two thirds of its lifetime
    assert token.value() == "t2"
    token.turned_down("t1")
    assert token.value() == "t2", "another token was rejected"
    token.turned_down("t2")
    assert (token.value(), token.renewals) == ("t3", 3)


def test_an_old_token_is_used_if_it_cannot_be_renewed() -> None:
    now, credentials = [0.0], Credentials(600)
    token = AccessToken(credentials, lambda: now[0])
    token.value()
    credentials.fails = True
    now[0] = 401
    assert token.value() == "t1"
    token.turned_down("t1")
    with pytest.raises(PermissionDenied) as refused:
        token.value()
    assert refused.value.message == "Could not get an access token with your credentials: no network."
