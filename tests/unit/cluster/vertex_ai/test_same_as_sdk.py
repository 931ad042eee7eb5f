"""What `up` sends is what `vertex_ray.create_ray_cluster` sends for the same machines."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydock import topology, versions
from raydock.settings import ROOT
from raydock.topology import Pool, Topology
from vertex.location import Location
from vertex.spec import request as resource
from vertex.spec.options import ClusterOptions
from vertex.spec.plan import plan_of

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own
MACHINES = [
    {"machine_type": "n1-standard-16"},
    {"machine_type": "n1-standard-16", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1},
    {"machine_type": "n1-standard-16", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2},
    {"machine_type": "a2-highgpu-1g", "accelerator_type": "NVIDIA_TESLA_A100", "accelerator_count": 1},
    {"machine_type": "n1-highmem-32"},
]
Sent = Callable[..., Any]


class Caught(Exception):
    """Carries the request that would have been sent."""


@pytest.fixture(scope="module")
def sent() -> Sent:
    """`sent(region, **arguments)` is the PersistentResource that the SDK would send."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import aiplatform
        from google.cloud.aiplatform import vertex_ray
        from google.cloud.aiplatform.vertex_ray import cluster_init

    class Client:
        def create_persistent_resource(self, request: Any) -> None:
            raise Caught(request.persistent_resource)

    def send(region: str, **arguments: Any) -> Any:
        aiplatform.init(project="p", location=region, credentials=AnonymousCredentials())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cluster_init._gapic_utils, "create_persistent_resource_client", Client)
            patch.setattr(cluster_init.resource_manager_utils, "get_project_number", lambda project: "1")
            with pytest.raises(ValueError, match="creation") as caught:
                vertex_ray.create_ray_cluster(cluster_name="c", **arguments)
        assert isinstance(caught.value.__cause__, Caught)
        return caught.value.__cause__.args[0]

    return send


def shape(head: dict[str, Any], workers: list[tuple[dict[str, Any], int]]) -> Topology:
    def pool(name: str, nodes: int, machine: dict[str, Any]) -> Pool:
        return Pool(name, "", nodes, 0, 0, 0, 0, MappingProxyType(machine))

    pools = [pool("head", 1, head), *(pool(f"w{n}", count, each) for n, (each, count) in enumerate(workers))]
    return Topology("raydock", 8265, tuple(pools), {}, "", "")


def of_sdk(sent: Sent, found: Topology, region: str, options: ClusterOptions) -> Any:
    from google.cloud.aiplatform.vertex_ray import AutoscalingSpec, Resources

    def node_type(pool: Pool, bounds: tuple[int, int] | None) -> Any:
        scaled = AutoscalingSpec(*bounds) if bounds else None
        return Resources(
            **dict(pool.vertex),
            node_count=pool.nodes,
            custom_image=options.image(pool.name) or None,
            autoscaling_spec=scaled,
        )

    return sent(
        region,
        head_node_type=node_type(found.head, None),
        worker_node_types=[node_type(pool, options.bounds) for pool in found.workers if pool.nodes],
        service_account=options.account or None,
        network=options.network or None,
        labels={"raydock": "raydock", **options.labels},
    )


def ours(found: Topology, region: str, options: ClusterOptions) -> Any:
    return resource.resource_of(plan_of(found, "c", Location("p", region), options))


@given(
    head=st.sampled_from(MACHINES),
    workers=st.lists(st.tuples(st.sampled_from(MACHINES), st.integers(0, 3)), max_size=4),
    bounds=st.sampled_from([None, (1, 4), (2, 3)]),
    region=st.sampled_from(["us-central1", "europe-west4", "asia-southeast1", "me-west1"]),
)
def test_any_topology(
    sent: Sent,
    head: dict[str, Any],
    workers: list[tuple[dict[str, Any], int]],
    bounds: tuple[int, int] | None,
    region: str,
) -> None:
    found = shape(head, workers)
    options = ClusterOptions(bounds=bounds if any(count for _, count in workers) else None)
    assert ours(found, region, options) == of_sdk(sent, found, region, options)


def test_compose_yaml_with_everything(sent: Sent) -> None:
    found = topology.load(ROOT, {})
    uri = "us-docker.pkg.dev/p/r/mine:1"
    options = ClusterOptions(
        "a@p.iam.gserviceaccount.com",
        "projects/1/global/networks/n",
        {"team": "a"},
        None,
        {"gpu-worker": uri},
    )
    sending = ours(found, "europe-west1", options)
    assert sending == of_sdk(sent, found, "europe-west1", options)
    assert [(pool.id, pool.replica_count) for pool in sending.resource_pools] == [
        ("head-node", 3),
        ("worker-pool2", 1),
    ]
    assert sending.resource_runtime_spec.ray_spec.resource_pool_images["worker-pool2"] == uri


def test_one_image_for_all(sent: Sent) -> None:
    options = ClusterOptions(images={"": "gcr.io/p/mine:1"})
    found = topology.load(ROOT, {"CPU_WORKERS": "0"})
    assert ours(found, "us-central1", options) == of_sdk(sent, found, "us-central1", options)


def test_versions_are_the_sdks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.cloud.aiplatform.vertex_ray.util import _validation_utils as sdk
    ours = versions.ON_VERTEX_AI
    assert {minor: release.version for minor, release in ours.items()} == dict(sdk.SUPPORTED_RAY_VERSIONS)
    pairs = {(python, minor) for minor, release in ours.items() for python in release.pythons}
    sdks = sdk.SUPPORTED_RAY_VERSIONS_FROM_PYTHON_VERSIONS.items()
    assert pairs == {(python, minor) for python, minors in sdks for minor in minors}
    assert (ours[versions.RAY_MINOR].version, list(ours)[-1]) == (versions.RAY, versions.RAY_MINOR)
