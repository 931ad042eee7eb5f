"""What docs/vertex-in-the-lab.md marks as inferred, asked of the real Vertex AI. A failure says how it differs.

RAYDOCK_LIVE_PROJECT names the project. Nothing is created: each request to create also has an invalid machine type.
With RAYDOCK_LIVE_CLUSTER=1, one cluster is created and deleted, which is billed and takes half an hour.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

import pytest
from google.api_core import exceptions

PROJECT = os.environ.get("RAYDOCK_LIVE_PROJECT", "")
REGION = "us-central1"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
IMAGE = "us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest"
pytestmark = [
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore"),  # the SDK's own
    pytest.mark.skipif(not PROJECT, reason="RAYDOCK_LIVE_PROJECT is not set: no real project to try it on"),
]


@pytest.fixture(params=["grpc", "rest"])
def service(request: pytest.FixtureRequest) -> Any:
    from google.cloud.aiplatform_v1beta1 import PersistentResourceServiceClient

    options = {"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}
    return PersistentResourceServiceClient(transport=request.param, client_options=options)


def spec(machine: str = "n9-none", **more: Any) -> dict[str, Any]:
    pool = {
        "id": "head-node",
        "replica_count": 1,
        "machine_spec": {"machine_type": machine, **more.pop("machine_spec", {})},
    }
    runtime = {"ray_spec": {"resource_pool_images": {"head-node": IMAGE}}, **more.pop("runtime", {})}
    return {"resource_pools": [pool], "resource_runtime_spec": runtime, **more}


def test_a_location_other_than_the_endpoints(service: Any) -> None:
    with pytest.raises(exceptions.BadRequest) as caught:
        list(service.list_persistent_resources(parent=PARENT.replace(REGION, "europe-west4")))
    said = "The provided location ID doesn't match the endpoint. The valid location ID is `us-central1`."
    assert said in caught.value.message
    assert caught.value.details


ACCOUNT = {"enable_custom_service_account": True, "service_account": f"a@{PROJECT}.iam.gserviceaccount.com"}
NETWORK = "projects/123456789012/global/networks/none"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("display_name", {"display_name": "x" * 200}),
        ("network", {"network": f"projects/{PROJECT}/global/networks/default"}),
        ("service_account", {"network": NETWORK, "runtime": {"service_account_spec": ACCOUNT}}),
        ("reservation_affinity", {"machine_spec": {"reservation_affinity": {"key": "x", "values": ["r"]}}}),
    ],
)
def test_fields_that_are_invalid(service: Any, field: str, wrong: dict[str, Any]) -> None:
    request = {
        "parent": PARENT,
        "persistent_resource_id": f"raydock-{secrets.token_hex(4)}",
        "persistent_resource": spec(**wrong),
    }
    with pytest.raises(exceptions.BadRequest) as caught:
        service.create_persistent_resource(request)
    assert field in caught.value.message


def test_the_short_name_of_an_operation(service: Any) -> None:
    with pytest.raises(exceptions.NotFound):
        service.get_operation({"name": f"{PARENT}/operations/1"})


@pytest.mark.skipif(
    os.environ.get("RAYDOCK_LIVE_CLUSTER") != "1", reason="RAYDOCK_LIVE_CLUSTER=1: it is billed"
)
def test_a_deleted_cluster_is_not_listed(service: Any) -> None:
    name = f"raydock-{secrets.token_hex(4)}"
    request = {
        "parent": PARENT,
        "persistent_resource_id": name,
        "persistent_resource": spec("n1-standard-4"),
    }
    created = service.create_persistent_resource(request)
    try:
        short = f"{PARENT}/operations/{created.operation.name.rpartition('/')[2]}"
        assert service.get_operation({"name": short}).name == created.operation.name
        created.result(timeout=2400)
    finally:
        service.delete_persistent_resource(name=f"{PARENT}/persistentResources/{name}")
    listed = [one.name.rpartition("/")[2] for one in service.list_persistent_resources(parent=PARENT)]
    assert name not in listed
    found = service.get_persistent_resource(name=f"{PARENT}/persistentResources/{name}")
    assert found.state.name == "STOPPING"
