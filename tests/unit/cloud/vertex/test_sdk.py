"""Unmodified vertex_ray against the control plane: create, get, list, update, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions

from cloud.controlplane.api.messages import progress
from tests.fakes import FakeNodes
from tests.labcloud import TRAINER, YOU
from tests.labvertex import PARENT, LabVertex

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own
Sdk = Callable[..., Any]
ALICE = "user:alice@example.com"


def grant(vertex: LabVertex, role: str, member: str) -> None:
    holder = vertex.world.projects["lab-project"]
    bindings = [*holder.policy["bindings"], {"role": role, "members": [member]}]
    vertex.world.set_policy(holder, {"version": 1, "bindings": bindings})


def pools(nodes: FakeNodes) -> dict[str, int]:
    counts: dict[str, int] = {}
    for key in nodes.there:
        counts[key.pool] = counts.get(key.pool, 0) + 1
    return counts


@pytest.mark.covers(
    "vertex_ray.create_ray_cluster",
    "vertex_ray.get_ray_cluster",
    "vertex_ray.list_ray_clusters",
    "vertex_ray.update_ray_cluster",
    "vertex_ray.delete_ray_cluster",
    "vertex_ray.Resources",
    "resource_pools.id",
    "resource_pools.machine_spec.accelerator_count",
)
def test_a_cluster_is_created_and_deleted(vertex: LabVertex, nodes: FakeNodes, sdk: Sdk) -> None:
    ray = sdk()
    gpu = ray.Resources(
        machine_type="n1-standard-16",
        node_count=1,
        accelerator_type="NVIDIA_TESLA_T4",
        accelerator_count=1,
    )
    cpu = ray.Resources(machine_type="n1-standard-32", node_count=2)

    name = ray.create_ray_cluster(
        head_node_type=ray.Resources(),
        worker_node_types=[cpu, gpu],
        cluster_name="first",
        labels={"team": "a"},
    )

    assert name == f"{PARENT}/persistentResources/first"
    assert pools(nodes) == {"head-node": 1, "worker-pool1": 2, "worker-pool2": 1}
    assert [(node.role, node.gpus) for node in nodes.made] == [
        ("head", 0),
        ("cpu-worker", 0),
        ("cpu-worker", 0),
        ("gpu-worker", 1),
    ]
    found = ray.get_ray_cluster(name)
    assert (found.state, found.ray_version, found.python_version) == ("RUNNING", "2.47", "3.11")
    assert found.dashboard_address.endswith(".aiplatform-training.googleusercontent.com")
    assert dict(found.labels) == {"team": "a"}
    assert [worker.node_count for worker in found.worker_node_types] == [2, 1]
    assert [cluster.cluster_resource_name for cluster in ray.list_ray_clusters()] == [name]

    found.worker_node_types[0].node_count = 3
    ray.update_ray_cluster(name, found.worker_node_types)
    assert pools(nodes) == {"head-node": 1, "worker-pool1": 3, "worker-pool2": 1}

    ray.delete_ray_cluster(name)
    vertex.run(vertex.plane.clusters.changes.wait_for(lambda: not vertex.plane.clusters.store.clusters, 60))
    assert nodes.there == {}
    assert ray.list_ray_clusters() == []
    with pytest.raises(ValueError, match="does not exist"):
        ray.get_ray_cluster(name)


def test_workers_of_the_heads_machine_type_join_its_pool(nodes: FakeNodes, sdk: Sdk) -> None:
    ray = sdk()
    name = ray.create_ray_cluster(worker_node_types=[ray.Resources(node_count=2)], cluster_name="merged")

    assert pools(nodes) == {"head-node": 3}
    assert [node.role for node in nodes.made] == ["head", "cpu-worker", "cpu-worker"]
    workers = ray.get_ray_cluster(name).worker_node_types
    assert [worker.node_count for worker in workers] == [2]
    workers[0].node_count = 1
    ray.update_ray_cluster(name, workers)
    assert pools(nodes) == {"head-node": 2}


@pytest.mark.covers("vertex_ray.AutoscalingSpec")
def test_an_autoscaled_pool_has_its_minimum(nodes: FakeNodes, sdk: Sdk) -> None:
    ray = sdk()
    scaled = ray.Resources(
        machine_type="n1-standard-8",
        autoscaling_spec=ray.AutoscalingSpec(min_replica_count=2, max_replica_count=5),
    )
    name = ray.create_ray_cluster(worker_node_types=[scaled], cluster_name="scaled")

    assert pools(nodes) == {"head-node": 1, "worker-pool1": 2}
    (worker,) = ray.get_ray_cluster(name).worker_node_types
    assert (worker.autoscaling_spec.min_replica_count, worker.autoscaling_spec.max_replica_count) == (2, 5)


def test_a_custom_image_is_reported_with_the_local_one_that_runs(vertex: LabVertex, sdk: Sdk) -> None:
    """In `cluster status`, the operation's progress and the control plane's log."""
    from google.cloud.aiplatform.vertex_ray.util import _gapic_utils

    from cluster.vertex_ai.cluster_text import image
    from vertex.cluster import cluster_of

    ray = sdk()
    custom = "us-central1-docker.pkg.dev/p/r/mine:1"
    name = ray.create_ray_cluster(
        head_node_type=ray.Resources(machine_type="n1-standard-8", custom_image=custom), cluster_name="own"
    )
    pools = cluster_of(_gapic_utils.get_persistent_resource(name)).pools
    assert image(pools[0]) == f"{custom} (the lab runs fake/head instead)"
    assert image(pools[1]) == pools[1].image
    (operation,) = vertex.plane.clusters.store.operations.values()
    operation.done = False
    assert (
        progress(operation, vertex.plane.clusters.store)
        == "The cluster is RUNNING. Pool head-node runs fake/head."
    )


@pytest.mark.covers("vertex_ray.NodeImages", "resource_runtime_spec.ray_spec.resource_pool_images")
def test_all_nodes_have_the_custom_images(nodes: FakeNodes, sdk: Sdk) -> None:
    ray = sdk()
    images = ray.NodeImages(head="us-docker.pkg.dev/p/r/head:1", worker="us-docker.pkg.dev/p/r/worker:1")
    workers = [ray.Resources(machine_type="n1-standard-8", node_count=2)]
    ray.create_ray_cluster(worker_node_types=workers, cluster_name="own", custom_images=images)
    assert [node.image for node in nodes.made] == [images.head, images.worker, images.worker]


@pytest.mark.covers("vertex_ray.PscIConfig")
def test_a_clusters_network_is_returned(sdk: Sdk) -> None:
    ray = sdk()
    psc = ray.PscIConfig(network_attachment="projects/123/regions/us-central1/networkAttachments/a")
    name = ray.create_ray_cluster(cluster_name="private", psc_interface_config=psc)
    assert ray.get_ray_cluster(name).psc_interface_config == psc


@pytest.mark.covers(
    "resource_runtime_spec.service_account_spec.enable_custom_service_account",
    "resource_runtime_spec.service_account_spec.service_account",
)
def test_jobs_run_as_the_agent_or_the_custom_account(nodes: FakeNodes, sdk: Sdk) -> None:
    ray = sdk()
    ray.create_ray_cluster(cluster_name="agent")
    account = TRAINER.removeprefix("serviceAccount:")
    name = ray.create_ray_cluster(cluster_name="custom", service_account=account)

    agent = "serviceAccount:service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
    assert {seen.principal for seen in nodes.there.values()} == {agent, TRAINER}
    assert ray.get_ray_cluster(name).service_account == account


def test_a_caller_without_roles_is_refused_everywhere(vertex: LabVertex, nodes: FakeNodes, sdk: Sdk) -> None:
    import ray as plain_ray
    from ray.job_submission import JobSubmissionClient

    name = sdk(YOU).create_ray_cluster(cluster_name="mine")
    known = sdk(YOU).get_ray_cluster(name)
    ray = sdk(ALICE)
    with pytest.raises(Exception, match=r"Permission 'resourcemanager\.projects\.get' denied"):
        ray.list_ray_clusters()

    grant(vertex, "roles/storage.objectViewer", ALICE)  # so that it may get the project
    with pytest.raises(ValueError, match=r"persistentResources\.list' denied"):
        ray.list_ray_clusters()
    with pytest.raises(ValueError, match=r"persistentResources\.create' denied"):
        ray.create_ray_cluster(cluster_name="other")
    with pytest.raises(ValueError, match="getting") as caught:
        ray.get_ray_cluster(name)
    where = f"//aiplatform.googleapis.com/{name}"
    told = (
        f"Permission 'aiplatform.persistentResources.get' denied on resource '{where}' (or it may not exist)."
    )
    assert told in str(caught.value)
    with pytest.raises(exceptions.PermissionDenied, match=r"persistentResources\.get' denied"):
        ray.update_ray_cluster(name, known.worker_node_types)  # it calls Get first
    for connect in (JobSubmissionClient, plain_ray.init):
        with pytest.raises(exceptions.PermissionDenied, match=r"persistentResources\.get' denied"):
            connect(f"vertex_ray://{name}")
    with pytest.raises(ValueError, match=r"persistentResources\.delete' denied"):
        ray.delete_ray_cluster(name)
    assert pools(nodes) == {"head-node": 2}


def test_a_viewer_may_list_but_not_create(vertex: LabVertex, nodes: FakeNodes, sdk: Sdk) -> None:
    name = sdk(YOU).create_ray_cluster(cluster_name="mine")
    grant(vertex, "roles/aiplatform.user", ALICE)
    ray = sdk(ALICE)

    found = ray.get_ray_cluster(name)
    assert [one.cluster_resource_name for one in ray.list_ray_clusters()] == [name]
    denied = (
        f"Permission 'aiplatform.persistentResources.create' denied on resource "
        f"'//aiplatform.googleapis.com/{PARENT}' (or it may not exist)."
    )
    with pytest.raises(ValueError, match="creation") as caught:
        ray.create_ray_cluster(cluster_name="other")
    assert denied in str(caught.value)
    with pytest.raises(ValueError, match="updating"):
        ray.update_ray_cluster(name, found.worker_node_types)
    with pytest.raises(ValueError, match=r"persistentResources\.delete' denied"):
        ray.delete_ray_cluster(name)
    assert [node.key.cluster for node in nodes.made] == [name, name]


def test_acting_as_an_account_requires_its_own_permission(
    vertex: LabVertex, nodes: FakeNodes, sdk: Sdk
) -> None:
    grant(vertex, "roles/aiplatform.admin", ALICE)
    account = TRAINER.removeprefix("serviceAccount:")
    with pytest.raises(ValueError, match="creation") as caught:
        sdk(ALICE).create_ray_cluster(cluster_name="custom", service_account=account)
    assert f"You do not have permission to act as service_account: {account}. (or it may not exist)." in str(
        caught.value
    )
    assert nodes.made == []


def test_what_vertex_ai_refuses_is_refused(nodes: FakeNodes, sdk: Sdk) -> None:
    ray = sdk()
    ray.create_ray_cluster(cluster_name="there")
    with pytest.raises(ValueError, match="already exists"):
        ray.create_ray_cluster(cluster_name="there")
    with pytest.raises(ValueError, match="Field: persistent_resource_id; Message"):
        ray.create_ray_cluster(cluster_name="Not_An_Id")
    with pytest.raises(ValueError, match=r"resource_pools\[0\]\.machine_spec\.machine_type; Message"):
        ray.create_ray_cluster(head_node_type=ray.Resources(machine_type="n9-huge"), cluster_name="other")
    with pytest.raises(ValueError, match=r"lab supports only Ray 2\.47 with Python 3\.11"):
        ray.create_ray_cluster(ray_version="2.42", python_version="3.10", cluster_name="other")
    assert {node.key.cluster.rpartition("/")[2] for node in nodes.made} == {"there"}


def test_a_failure_is_reported_and_leaves_nothing(vertex: LabVertex, nodes: FakeNodes, sdk: Sdk) -> None:
    nodes.becomes = "failed"
    ray = sdk()
    with pytest.raises(RuntimeError, match="returned an error"):
        ray.create_ray_cluster(cluster_name="broken")

    name = f"{PARENT}/persistentResources/broken"
    assert ray.get_ray_cluster(name).state == "ERROR"
    vertex.run(vertex.plane.clusters.changes.wait_for(lambda: not nodes.there, 60))
    ray.delete_ray_cluster(name)
    vertex.run(vertex.plane.clusters.changes.wait_for(lambda: not vertex.plane.clusters.store.clusters, 60))
