"""What docs/vertex-in-the-lab.md marks as inferred, asked of the real Vertex AI. A failure says how it differs.

RAYDOCK_LIVE_PROJECT names the project. Nothing is created: each request to create also has an invalid field.
With RAYDOCK_LIVE_CLUSTER=1, one cluster is created and deleted, which is billed and takes half an hour.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from google.api_core import exceptions

from cloud.controlplane.nodes.machine_types import MACHINES

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
        **more.pop("pool", {}),
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
SCALED = {"min_replica_count": 1, "max_replica_count": 2}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("display_name", {"display_name": "x" * 200}),
        ("network", {"network": f"projects/{PROJECT}/global/networks/default"}),
        ("service_account", {"network": NETWORK, "runtime": {"service_account_spec": ACCOUNT}}),
        ("reservation_affinity", {"machine_spec": {"reservation_affinity": {"key": "x", "values": ["r"]}}}),
        ("kms_key_name", {"encryption_spec": {"kms_key_name": "x"}}),
        ("replica_count", {"pool": {"replica_count": 3, "autoscaling_spec": SCALED}}),
    ],
)
def test_fields_that_are_invalid(service: Any, field: str, wrong: dict[str, Any]) -> None:
    assert field in refusal(service, spec(**wrong))


def test_the_minimum_can_be_zero(service: Any) -> None:
    scaled = {"autoscaling_spec": {"min_replica_count": 0, "max_replica_count": 2}, "replica_count": None}
    assert "autoscaling_spec" not in refusal(service, spec(pool=scaled))


@pytest.mark.parametrize("machine", MACHINES)
def test_machine_types(service: Any, machine: str) -> None:
    """Each one is accepted: the error is about the display name only."""
    assert "machine_type" not in refusal(service, spec(machine, display_name="x" * 200))


def refusal(service: Any, wrong: dict[str, Any]) -> str:
    """The message of the error."""
    request = {
        "parent": PARENT,
        "persistent_resource_id": f"raydock-{secrets.token_hex(4)}",
        "persistent_resource": wrong,
    }
    with pytest.raises(exceptions.BadRequest) as caught:
        service.create_persistent_resource(request)
    return str(caught.value.message)


def test_the_short_name_of_an_operation(service: Any) -> None:
    with pytest.raises(exceptions.NotFound):
        service.get_operation({"name": f"{PARENT}/operations/1"})


def test_a_denied_call_has_details(service: Any) -> None:
    """In one of Google's own projects, which only Google may read."""
    with pytest.raises(exceptions.Forbidden) as caught:
        service.get_persistent_resource(name=f"projects/google.com/locations/{REGION}/persistentResources/a")
    assert caught.value.reason == "IAM_PERMISSION_DENIED"


def test_there_is_no_permission_to_update() -> None:
    """Resource Manager rejects permissions that do not exist."""
    from google.cloud import resourcemanager

    client, name = resourcemanager.ProjectsClient(transport="rest"), f"projects/{PROJECT}"
    known, unknown = (f"aiplatform.persistentResources.{verb}" for verb in ("create", "update"))
    client.test_iam_permissions(resource=name, permissions=[known])
    with pytest.raises(exceptions.BadRequest):
        client.test_iam_permissions(resource=name, permissions=[unknown])


@pytest.fixture(scope="module")
def client() -> Any:
    from google.cloud.aiplatform_v1beta1 import PersistentResourceServiceClient

    return PersistentResourceServiceClient(
        client_options={"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}
    )


@pytest.fixture(scope="module")
def billed(client: Any) -> Iterator[Any]:
    """The operation that created a cluster with an autoscaled pool, finished. The cluster is deleted at the end."""
    if os.environ.get("RAYDOCK_LIVE_CLUSTER") != "1":
        pytest.skip("RAYDOCK_LIVE_CLUSTER=1: it is billed")
    name = f"raydock-{secrets.token_hex(4)}"
    wanted = spec("n1-standard-4")
    workers = {"id": "workers", "machine_spec": {"machine_type": "n1-standard-8"}, "autoscaling_spec": SCALED}
    wanted["resource_pools"].append(workers)
    wanted["resource_runtime_spec"]["ray_spec"] = {"image_uri": IMAGE}
    request = {"parent": PARENT, "persistent_resource_id": name, "persistent_resource": wanted}
    created = client.create_persistent_resource(request)
    try:
        created.result(timeout=2400)
        yield created
    finally:
        with suppress(exceptions.FailedPrecondition, exceptions.NotFound):  # if the last test has deleted it
            client.delete_persistent_resource(name=f"{PARENT}/persistentResources/{name}")


def test_the_addresses_of_a_cluster(billed: Any) -> None:
    uris = billed.result().resource_runtime.access_uris
    assert uris["RAY_CLIENT_ENDPOINT"].endswith(":443")
    assert "RAY_HEAD_NODE_INTERNAL_IP" not in uris


def test_a_finished_operation_can_not_be_cancelled(client: Any, billed: Any) -> None:
    """By its short name."""
    short = f"{PARENT}/operations/{billed.operation.name.rpartition('/')[2]}"
    client.cancel_operation({"name": short})
    assert client.get_operation({"name": short}).done


def test_a_field_mask_in_camel_case(client: Any, billed: Any) -> None:
    mask = {"paths": ["resourcePools.replicaCount"]}
    with pytest.raises(exceptions.InvalidArgument):
        client.update_persistent_resource(persistent_resource=billed.result(), update_mask=mask)


def test_a_reboot_is_refused(client: Any, billed: Any) -> None:
    with pytest.raises(exceptions.FailedPrecondition):
        client.reboot_persistent_resource(name=billed.result().name)


def test_an_autoscaled_pool_reports_its_nodes(client: Any, billed: Any) -> None:
    """A job that needs both nodes."""
    from google.cloud import aiplatform
    from ray.job_submission import JobSubmissionClient

    aiplatform.init(project=PROJECT, location=REGION)
    name = billed.result().name
    hold = 'hold = ray.remote(num_cpus=ray.cluster_resources()["CPU"])(lambda: time.sleep(600))'
    code = f"import ray, time; ray.init(); {hold}; ray.get([hold.remote(), hold.remote()])"
    JobSubmissionClient(f"vertex_ray://{name}").submit_job(entrypoint=f"python -c '{code}'")
    seen = set()
    end = time.monotonic() + 1200
    while (found := client.get_persistent_resource(name=name)).resource_pools[1].replica_count < 2:
        seen.add(found.state.name)
        assert time.monotonic() < end, seen
        time.sleep(10)
    assert seen == {"RUNNING"}


def test_a_deleted_cluster_is_not_listed(client: Any, billed: Any) -> None:
    """The last one, because it deletes the cluster."""
    name = billed.result().name
    client.delete_persistent_resource(name=name)
    assert name not in [one.name for one in client.list_persistent_resources(parent=PARENT)]
    assert client.get_persistent_resource(name=name).state.name == "STOPPING"
