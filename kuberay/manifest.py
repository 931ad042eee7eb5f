"""The cluster of compose.yaml as a RayCluster: the same pools, sizes, images and labels.

Source: ray-project/kuberay v1.7.0, `ray-operator/apis/ray/v1/raycluster_types.go` and `controllers/ray/common/pod.go`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydock.topology import Pool, Topology
from raydock.versions import RAY

MEBIBYTE = 2**20
DASHBOARD, AGENT = 8265, 52365  # ports of Ray's health checks
# The operator replaces the image's entrypoint, which reports the node's packages. A hook that fails would end the
# container, and other images have no such file.
DESCRIBE = "python3 /opt/raydock/node.py describe > /dev/null 2>&1 || true"


@dataclass(frozen=True, slots=True)
class ManifestOptions:
    """What compose.yaml does not say. "" leaves a field out, so that Kubernetes' default applies.

    `images` are keyed by pool, or by "" for all pools. `bounds` are each worker group's minimum and maximum number of
    pods, for Ray's autoscaler; without them the numbers are fixed.
    """

    name: str
    namespace: str = ""
    service_account: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[int, int] | None = None

    def image(self, pool: str, default: str) -> str:
        """The image of a pool."""
        return self.images.get(pool) or self.images.get("") or default


def raycluster(topology: Topology, options: ManifestOptions) -> dict[str, Any]:
    """The object. Pools without nodes are groups without replicas."""
    about: dict[str, Any] = {"name": options.name}
    about |= {"namespace": options.namespace} if options.namespace else {}
    about |= {"labels": dict(options.labels)} if options.labels else {}
    real = topology.gpu_build == "cuda"
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": about,
        "spec": {
            "rayVersion": RAY,
            **({"enableInTreeAutoscaling": True} if options.bounds else {}),
            "headGroupSpec": {
                "serviceType": "ClusterIP",
                "rayStartParams": {"num-cpus": "0", "num-gpus": "0", "labels": "pool=head"},
                "template": template(topology.head, options, real, head=True),
            },
            "workerGroupSpecs": [worker_group(pool, options, real) for pool in topology.workers],
        },
    }


def worker_group(pool: Pool, options: ManifestOptions, real: bool) -> dict[str, Any]:
    """One worker pool. Without bounds, its number of nodes is fixed."""
    least, most = options.bounds or (pool.nodes, max(pool.nodes, 1))
    return {
        "groupName": pool.name,
        "replicas": min(max(pool.nodes, least), most),
        "minReplicas": least,
        "maxReplicas": most,
        "numOfHosts": 1,
        "rayStartParams": start_params(pool, real),
        "template": template(pool, options, real),
    }


def start_params(pool: Pool, real: bool) -> dict[str, str]:
    """The arguments of `ray start`, as docker/node.py has them. The operator puts them into a shell's command line."""
    labels = {"pool": pool.name} | ({"gpu": "real" if real else "simulated"} if pool.gpus else {})
    params = {
        "num-cpus": str(pool.cpus),
        "num-gpus": str(pool.gpus),
        "labels": ",".join(f"{key}={value}" for key, value in labels.items()),
    }
    if pool.gpus and not real:
        params["resources"] = json.dumps(json.dumps({"simulated_gpu": pool.gpus}))
    return params


def template(pool: Pool, options: ManifestOptions, real: bool, head: bool = False) -> dict[str, Any]:
    """The pod: one container, with requests equal to limits so that nothing else gets what it needs."""
    amounts: dict[str, str] = {"cpu": str(max(pool.cpus, 1)), "memory": mebibytes(pool.memory)}
    if pool.gpus and real:
        amounts["nvidia.com/gpu"] = str(pool.gpus)
    container: dict[str, Any] = {
        "name": "ray-head" if head else "ray-worker",
        "image": options.image(pool.name, pool.image),
        "imagePullPolicy": "IfNotPresent",  # so that images that were loaded into the nodes are found
        "resources": {"requests": dict(amounts), "limits": amounts},
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
        "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", DESCRIBE]}}},
        **probes(head),
    }
    if head:
        named = {"gcs-server": 6379, "dashboard": DASHBOARD, "client": 10001}
        container["ports"] = [{"name": name, "containerPort": port} for name, port in named.items()]
    shared = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": mebibytes(pool.shm)}}
    account = {"serviceAccountName": options.service_account} if options.service_account else {}
    return {"spec": {**account, "containers": [container], "volumes": [shared]}}


def probes(head: bool) -> Mapping[str, Any]:
    """The health checks: before Ray 2.53 the operator's own need wget, which slim images do not have."""
    raylet = {"path": "/api/local_raylet_healthz", "port": AGENT}
    ready = {"path": "/api/gcs_healthz", "port": DASHBOARD} if head else raylet
    often = {"periodSeconds": 5, "timeoutSeconds": 5}
    return {
        "readinessProbe": {"httpGet": ready, **often, "failureThreshold": 10, "initialDelaySeconds": 10},
        "livenessProbe": {
            "httpGet": dict(raylet),
            **often,
            "failureThreshold": 120,
            "initialDelaySeconds": 30,
        },
    }


def mebibytes(size: int) -> str:
    """A size in bytes as a Kubernetes quantity, rounded up."""
    return f"{math.ceil(size / MEBIBYTE)}Mi"
