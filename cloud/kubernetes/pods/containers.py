"""Runs pods as containers on the Docker engine, each RayCluster's on a network of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.controlplane.names import short_hash
from cloud.controlplane.nodes.docker_api import DockerApi
from cloud.controlplane.nodes.hardened import Container, compose_labels, container_state, inherited
from cloud.controlplane.nodes.networks import Networks
from cloud.kubernetes.operator.wanted import CLUSTER, TYPE
from cloud.kubernetes.pods.runner import CannotStart, RunningPod
from cloud.kubernetes.pods.spec import (
    container_of,
    environment_of,
    memory_of,
    require_supported,
    shm_of,
)
from kuberay.cluster import head_service

Json = Mapping[str, Any]
# Like https://pkg.go.dev/github.com/distribution/reference, without any part that a URL's path would resolve.
REFERENCE = re.compile(
    r"(?:[A-Za-z0-9][\w.-]*(?::[0-9]+)?/)*[A-Za-z0-9][\w.-]*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?", re.ASCII
)
LABEL = "raydock.kubernetes"
SERVICE = "kubernetes-pod"  # the containers' service name in Compose's labels
# Services that join the clusters' networks: the API server is the proxy to the pods, and this one checks `cloud`.
CONNECTED = ("cloud", "kubernetes", "kuberay")


@dataclass(frozen=True, slots=True)
class Containers:
    """`PodRunner` on the engine behind a socket. `project` is the Compose project."""

    socket: str
    project: str
    environ: Mapping[str, str]

    @property
    def docker(self) -> DockerApi:
        """The engine."""
        return DockerApi(self.socket)

    @property
    def networks(self) -> Networks:
        """The clusters' networks."""
        return Networks(self.docker.ask, self.project, LABEL, CONNECTED)

    async def memory(self) -> int:
        """See `PodRunner`."""
        return await self.docker.memory()

    async def list(self) -> Sequence[RunningPod]:
        """See `PodRunner`."""
        return [
            running_pod(one, self.networks) for one in await self.docker.labeled(f"{LABEL}={self.project}")
        ]

    async def start(self, pod: Json, cluster: str) -> None:
        """See `PodRunner`."""
        require_supported(pod)
        image = await self.image_id(str(container_of(pod).get("image")))
        await self.networks.ensure(cluster)
        await self.docker.start(self.name(pod), self.body(pod, cluster, image))

    async def image_id(self, image: str) -> str:
        """The ID of an image that starts a node of the lab. Raises CannotStart if the engine has no such image.

        The ID, because the name may mean another image by the time that the container is created.
        """
        if not REFERENCE.fullmatch(image):
            raise CannotStart("InvalidImageName", f"{image[:200]!r} is not the name of an image")
        found = await self.docker.ask("GET", f"/images/{image}/json", (404,))
        config = found.get("Config") or {}
        if not config:
            raise CannotStart(
                "ErrImagePull",
                f"This machine's Docker engine has no image {image}, and the lab pulls none; build or load it first",
            )
        if "/opt/raydock/node.py" not in (config.get("Entrypoint") or ()):
            raise CannotStart(
                "CreateContainerError", f"The image {image} does not extend one of the lab's images"
            )
        return str(found["Id"])

    async def stop(self, pods: Sequence[RunningPod]) -> None:
        """See `PodRunner`."""
        await asyncio.gather(*(self.docker.end(pod.handle) for pod in pods))

    async def keep(self, clusters: Collection[str]) -> None:
        """See `PodRunner`."""
        known = await self.networks.clusters()
        for name in known:
            await (self.networks.ensure(name) if name in clusters else self.networks.delete(name))

    def name(self, pod: Json) -> str:
        """The container's name. A hash tells pods of different namespaces and lives apart."""
        about = pod["metadata"]
        return f"{self.project}-{about['name']}-{short_hash(about['uid'])[:6]}"

    def body(self, pod: Json, cluster: str, image: str) -> dict[str, Any]:
        """The request to create a pod's container from an image's ID."""
        about = pod["metadata"]
        name, space = about["labels"][CLUSTER], about["namespace"]
        hosts = hosts_of(name, space)
        head = about["labels"][TYPE] == "head"
        command = [str(one) for one in container_of(pod).get("args") or ()]
        return Container(
            image=image,
            command=command,
            role="head" if head else "worker",
            memory=memory_of(pod),
            network=self.networks.name(cluster),
            environment={
                **inherited(self.environ, *hosts),
                "RAYDOCK_GPU": "simulated",
                **environment_of(pod),
                "RAYDOCK_NODE": about["name"],
            },
            labels={
                LABEL: self.project,
                f"{LABEL}.cluster": cluster,
                f"{LABEL}.uid": about["uid"],
                f"{LABEL}.pod": f"{space}/{about['name']}",
                **compose_labels(self.project, SERVICE, 1),
            },
            aliases=hosts if head else [about["name"]],
            shm=min(shm_of(pod), memory_of(pod)),
        ).body()


def hosts_of(cluster: str, namespace: str) -> list[str]:
    """The names of a cluster's head on its network."""
    service = head_service(cluster)
    return [service, f"{service}.{namespace}", f"{service}.{namespace}.svc.cluster.local"]


def running_pod(container: Mapping[str, Any], networks: Networks) -> RunningPod:
    """The pod that a container in the engine's list runs."""
    labels, status = container["Labels"], container["Status"]
    cluster = labels[f"{LABEL}.cluster"]
    endpoint = (container["NetworkSettings"]["Networks"] or {}).get(networks.name(cluster)) or {}
    return RunningPod(
        uid=labels[f"{LABEL}.uid"],
        cluster=cluster,
        state=container_state(status, container["State"]),
        address=endpoint.get("IPAddress", ""),
        why=status,
        handle=container["Id"],
    )
