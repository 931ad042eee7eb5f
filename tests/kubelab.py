"""The cluster of compose.yaml as a RayCluster, with the lab's Google Cloud as its own: a lab for the lessons.

Without RAYDOCK_TEST_KUBE_CONTEXT it runs on a real API server with tests/kubecontroller.py; otherwise in that context
of the kubeconfig, such as kind with KubeRay's operator, which needs the images of `python -m cluster images`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cloud.server import catch_all
from cluster import ports
from cluster.processes import identity
from cluster.processes.record import Ports
from kuberay import kubeconfig
from kuberay.client import RAY, KubeClient, namespaced
from kuberay.cluster import cluster_of
from kuberay.manifest import ManifestOptions, raycluster
from raydock import topology
from tests.command import FLAGS, ROOT
from tests.kubeserver import own_address
from tests.lab import SIZES, Lab, until
from tests.labcloud import RunningCloud, lab_cloud

CONTEXT = "RAYDOCK_TEST_KUBE_CONTEXT"
NAMESPACE, ACCOUNT, CLUSTER = "lessons", "ray-head", "lab"
SMALL = {"cpu": "100m", "memory": "256Mi"}  # so that all pods fit on a small machine


@contextmanager
def kubernetes_lab(config: Path, context: str, folder: Path) -> Iterator[Lab]:
    """The lab, in a context of that kubeconfig. Its namespace stays when it ends."""
    with pytest.MonkeyPatch.context() as patch, lab_cloud(folder) as cloud:
        patch.setenv("KUBECONFIG", str(config))
        with KubeClient(kubeconfig.load(context, NAMESPACE)) as client:
            create(client, manifest(google_cloud(cloud)))
            until(lambda: cluster_of(client.get(namespaced(RAY, NAMESPACE, "rayclusters", CLUSTER))).ready)
        # Whether the accounts may use the buckets is asked of Google itself, which does not know them.
        flags = f"--target kuberay --context {context} --namespace {NAMESPACE} --cluster {CLUSTER} --skip-check=storage"
        env = {
            "KUBECONFIG": str(config),
            "RAYDOCK_STATE": str(folder / "state"),
            "COMPOSE_PROJECT_NAME": NAMESPACE,
        }
        yield Lab("kubernetes", {**env, FLAGS: flags})


def google_cloud(lab: RunningCloud) -> dict[str, str]:
    """Opens the lab's Google Cloud at an address that pods reach: the variables that direct clients there."""
    host, (storage, metadata) = own_address(), ports.pick(2, set())
    base, where = f"http://{host}:{storage}", f"{host}:{metadata}"
    service = lab.cloud.storage(lab.cloud.access(assumed=True))

    async def handle(request: web.Request) -> web.StreamResponse:
        return await service.handle(request, base)

    async def listen() -> None:
        await lab.cloud.listeners.listen(catch_all(handle), host, storage)
        await lab.cloud.open_metadata(host, metadata, lambda: lab.world.job)

    asyncio.run_coroutine_threadsafe(listen(), lab.loop).result(60)
    return {
        **identity.variables("/tmp", Ports(), os.environ),
        **dict.fromkeys(("STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT"), base),
        **dict.fromkeys(("GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"), where),
        **dict.fromkeys(identity.NO_PROXY, f"{identity.without_proxy(os.environ)},{host}"),
    }


def manifest(variables: Mapping[str, str]) -> dict[str, Any]:
    """What `python -m cluster manifest` prints, with variables, and small requests."""
    found = raycluster(topology.load(ROOT, SIZES), ManifestOptions(CLUSTER, NAMESPACE, ACCOUNT))
    for group in (found["spec"]["headGroupSpec"], *found["spec"]["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        container["env"] = [{"name": name, "value": value} for name, value in variables.items()]
        container["resources"] = {
            "requests": SMALL,
            "limits": {"memory": container["resources"]["limits"]["memory"]},
        }
    return found


def create(client: KubeClient, cluster: Mapping[str, Any]) -> None:
    """Creates the namespace, the service account and the cluster."""
    client.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    client.post(namespaced("/api/v1", NAMESPACE, "serviceaccounts"), {"metadata": {"name": ACCOUNT}})
    client.post(namespaced(RAY, NAMESPACE, "rayclusters"), cluster)
