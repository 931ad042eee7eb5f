"""A cluster as Vertex AI describes it: the values from a PersistentResource with a Ray spec.

Source: google-cloud-aiplatform 2.7.0, `aiplatform_v1beta1.types.persistent_resource` and
`vertex_ray/util/_gapic_utils.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iam.policy.principal import code_agent
from vertex.errors import Unusable

# Prebuilt images: REGION-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest
PREBUILT = re.compile(
    r".*-docker\.pkg\.dev/vertex-ai/training/ray-(?:cpu|gpu)\.(\d+)-(\d+)\.py(\d)(\d+)(?::.*)?"
)
TRANSITIONAL = frozenset({"PROVISIONING", "UPDATING", "REBOOTING"})  # these states lead to RUNNING or ERROR


@dataclass(frozen=True, slots=True)
class ResourcePool:
    """A pool of identical machines. If the number of nodes is fixed, `min_nodes` and `max_nodes` are 0."""

    id: str
    machine_type: str
    accelerator_type: str  # "" if there is none
    accelerator_count: int
    nodes: int
    min_nodes: int = 0
    max_nodes: int = 0
    image: str = ""
    local_image: str = ""  # the image that the lab runs in place of a custom image


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster. `created` is in seconds since 1970. If jobs run as the service agent, `account` is ""."""

    name: str  # projects/NUMBER/locations/REGION/persistentResources/ID
    state: str
    error: str
    dashboard: str
    account: str
    pools: tuple[ResourcePool, ...]
    labels: Mapping[str, str]
    created: float
    has_ray: bool = True
    started: float = 0.0  # when it first reached RUNNING, in seconds since 1970
    network: str = ""

    @property
    def id(self) -> str:
        """The last part of the resource name."""
        return self.name.rpartition("/")[2]

    @property
    def project_number(self) -> str:
        """The project number."""
        return self.name.split("/")[1]

    @property
    def principal(self) -> str:
        """The principal that jobs run as: the cluster's account, or else the project's Custom Code Service Agent."""
        return f"serviceAccount:{self.account or code_agent(self.project_number)}"

    @property
    def ray(self) -> str:
        """The Ray version as MAJOR.MINOR, from the prebuilt image's name. "" for a custom image."""
        found = PREBUILT.fullmatch(self.pools[0].image) if self.pools else None
        return f"{found[1]}.{found[2]}" if found else ""

    @property
    def python(self) -> str:
        """The Python version as MAJOR.MINOR, from the prebuilt image's name. "" for a custom image."""
        found = PREBUILT.fullmatch(self.pools[0].image) if self.pools else None
        return f"{found[3]}.{found[4]}" if found else ""

    def raise_if_unusable(self) -> None:
        """Raise Unusable if the cluster can't accept jobs. A cluster that is still provisioning passes."""
        recreate = "create another cluster: python -m cluster up --target vertex"
        if not self.has_ray:
            raise Unusable(
                f"{self.id} is a persistent resource, but not a Ray cluster.",
                "to list the Ray clusters: python -m cluster status --target vertex",
            )
        if self.state in ("ERROR", "STOPPING"):
            reason = f": {self.error}" if self.error else ""
            doing = "is being deleted" if self.state == "STOPPING" else f"is in state ERROR{reason}"
            raise Unusable(f"Cluster {self.id} {doing}.", recreate)
        if self.state == "RUNNING" and not self.dashboard:
            raise Unusable(
                f"Cluster {self.id} has no dashboard address, so it can't accept jobs.",
                "in a peered network, the dashboard can't be reached from outside: create a cluster without --network",
            )


def cluster_of(found: Any) -> Cluster:
    """Convert an SDK PersistentResource."""
    runtime = found.resource_runtime_spec
    images, uris = runtime.ray_spec.resource_pool_images, found.resource_runtime.access_uris
    return Cluster(
        name=found.name,
        state=found.state.name,
        error=found.error.message,
        dashboard=str(uris.get("RAY_DASHBOARD_URI", "")),
        account=str(runtime.service_account_spec.service_account),
        pools=tuple(
            pool_of(pool, images.get(pool.id) or runtime.ray_spec.image_uri, uris)
            for pool in found.resource_pools
        ),
        labels=dict(found.labels),
        created=found.create_time.timestamp() if found.create_time else 0.0,
        has_ray="ray_spec" in runtime,
        started=found.start_time.timestamp() if found.start_time else 0.0,
        network=found.network,
    )


def pool_of(found: Any, image: str, uris: Mapping[str, str]) -> ResourcePool:
    """Convert an SDK ResourcePool. If the lab runs a local image in place of a custom one, the URIs include it."""
    machine = found.machine_spec
    kind = machine.accelerator_type
    return ResourcePool(
        id=found.id,
        machine_type=machine.machine_type,
        accelerator_type=kind.name if kind.value else "",
        accelerator_count=machine.accelerator_count,
        nodes=found.replica_count or found.autoscaling_spec.min_replica_count,
        min_nodes=found.autoscaling_spec.min_replica_count,
        max_nodes=found.autoscaling_spec.max_replica_count,
        image=image,
        local_image=uris.get(f"RAYDOCK_IMAGE/{found.id}", ""),
    )
