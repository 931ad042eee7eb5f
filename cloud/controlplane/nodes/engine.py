"""Runs nodes as containers, through the Docker engine's HTTP API: https://docs.docker.com/reference/api/engine/

A node matches those in compose.yaml: image, user, network settings, limits and environment. Labels identify its
cluster, so a restarted control plane finds it; Compose's own labels let `make cluster-down` remove it.
"""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.names import head_host, short_hash
from cloud.controlplane.nodes import images
from cloud.controlplane.nodes.networks import LABEL, Networks
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec, ObservedNode
from raydock import versions

API = "/v1.44"  # Docker 25, the first with a start interval for health checks
TIMEOUT = 60.0  # seconds per call
GIB = 2**30
BYTES_PER_PID = 2**18  # a node may run one process or thread per this much memory
STOP_TIMEOUT = 10  # seconds for a node to stop
SERVICE = "vertex-node"  # its service name in Compose's labels
SECOND = 1_000_000_000  # the API counts nanoseconds
CA_BUNDLE = Path("/run/secrets/ca_bundle")
# Variables that a node inherits from this service: compose.yaml's x-google.
PASSED_ON = (
    *("RAYDOCK_TRUST", "GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"),
    *("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"),
    *("NO_PROXY", "no_proxy"),
)


@dataclass(frozen=True, slots=True)
class ContainerNodes:
    """`Nodes` on the Docker engine. `project` is the nodes' Compose project."""

    socket: str
    project: str
    prefix: str  # image name prefix
    environ: Mapping[str, str]
    images: Mapping[str, str] = field(default_factory=dict)  # local images by requested image

    @property
    def networks(self) -> Networks:
        """The clusters' networks."""
        return Networks(self.ask, self.project)

    async def capacity(self) -> int:
        """The number of nodes that fit on this machine: one per GiB of memory."""
        about = await self.ask("GET", "/info")
        return int(about["MemTotal"] // GIB)

    async def ensure_network(self, cluster: str) -> None:
        """See `Nodes`."""
        await self.networks.ensure(cluster)

    async def delete_network(self, cluster: str) -> None:
        """See `Nodes`."""
        await self.networks.delete(cluster)

    async def networked(self) -> Sequence[str]:
        """See `Nodes`."""
        return await self.networks.clusters()

    async def cloud_addresses(self) -> Sequence[str]:
        """See `Nodes`."""
        return await self.networks.cloud_addresses()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """An HTTP session on the engine's socket."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.UnixConnector(self.socket)
        async with aiohttp.ClientSession("http://docker", connector=connector, timeout=timeout) as session:
            yield session

    async def ask(self, verb: str, path: str, accepted: tuple[int, ...] = (), **options: Any) -> Any:
        """Call the engine. Raises NodesFailed for an error status that is not in `accepted`."""
        try:
            async with self.session() as session, session.request(verb, API + path, **options) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            raise NodesFailed(f"The Docker engine does not respond: {type(fault).__name__}.") from None
        document = json.loads(text) if text[:1] in ("{", "[") else {}
        if answer.status >= 400 and answer.status not in accepted:
            raise NodesFailed(
                f"The Docker engine returned an error: {document.get('message', answer.status)}"
            )
        return document

    async def create(self, node: NodeSpec) -> None:
        """See `Nodes`."""
        name = self.container(node.key)
        query = {"name": name}
        await self.ask("POST", "/containers/create", (409,), params=query, json=self.body(node))
        if bundle := company_certificates():
            await self.ask("PUT", f"/containers/{name}/archive", params={"path": "/run"}, data=bundle)
        await self.ask("POST", f"/containers/{name}/start")

    async def list(self) -> Sequence[ObservedNode]:
        """See `Nodes`."""
        filters = json.dumps({"label": [f"{LABEL}={self.project}"]})
        found = await self.ask("GET", "/containers/json", params={"all": "1", "filters": filters})
        return [observed_node(one, self.networks) for one in found]

    async def remove(self, keys: Sequence[NodeKey]) -> None:
        """See `Nodes`."""
        await asyncio.gather(*(self.end(self.container(key)) for key in keys))
        left = {one.key for one in await self.list()} & set(keys) if keys else set()
        if left:
            raise NodesFailed(f"Could not remove {len(left)} containers.")

    async def end(self, name: str) -> None:
        """Stop a container and remove it with its volumes. Does nothing if it does not exist."""
        await self.ask("POST", f"/containers/{name}/stop", (404,), params={"t": str(STOP_TIMEOUT)})
        await self.ask("DELETE", f"/containers/{name}", (404, 409), params={"force": "1", "v": "1"})

    def container(self, key: NodeKey) -> str:
        """The container's name. A hash distinguishes clusters with the same ID in different regions or projects."""
        identifier = key.cluster.rpartition("/")[2]
        return f"{self.project}-{identifier}-{short_hash(key.cluster)[:6]}-{key.pool}-{key.number}"

    def body(self, node: NodeSpec) -> dict[str, Any]:
        """The request to create a container, hardened like compose.yaml's x-service."""
        head = node.role == "head"
        network = self.networks.name(node.key.cluster)
        endpoint = {"Aliases": [head_host(node.key.cluster)] if head else []}
        return {
            "Image": self.image(node),
            "Cmd": [node.role, f"--labels={ray_labels(node)}"],
            "User": "ray",
            "Env": [f"{key}={value}" for key, value in self.environment(node).items()],
            "Labels": self.labels(node),
            "Healthcheck": healthcheck("head" if head else "worker"),
            "HostConfig": {
                "Init": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"],
                "PidsLimit": node.memory // BYTES_PER_PID,
                "Memory": node.memory,
                "ShmSize": node.memory * 3 // 10,
                "RestartPolicy": {"Name": "unless-stopped"},
                "NetworkMode": network,
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
            },
            "NetworkingConfig": {"EndpointsConfig": {network: endpoint}},
        }

    def image(self, node: NodeSpec) -> str:
        """See `Nodes`."""
        return self.images.get(node.image) or f"{self.prefix}/{node.role}:{versions.RAY}"

    def environment(self, node: NodeSpec) -> dict[str, str]:
        """A node's environment; see docker/node.py."""
        host = head_host(node.key.cluster)
        passed = {name: self.environ[name] for name in PASSED_ON if name in self.environ}
        for name in ("NO_PROXY", "no_proxy"):
            if name in passed:
                passed[name] += f",{host}"
        return passed | {
            "RAYDOCK_HEAD": f"{host}:6379",
            "RAYDOCK_CPUS": str(node.cpus),
            "RAYDOCK_GPUS": str(node.gpus),
            "RAYDOCK_GPU": "simulated",
            **({"RAYDOCK_NOTICE": notice} if (notice := images.notice(node.image, self.image(node))) else {}),
        }

    def labels(self, node: NodeSpec) -> dict[str, str]:
        """A container's labels: the lab's own identify the node, and Compose's make it part of the project."""
        return {
            LABEL: self.project,
            f"{LABEL}.cluster": node.key.cluster,
            f"{LABEL}.pool": node.key.pool,
            f"{LABEL}.number": str(node.key.number),
            f"{LABEL}.principal": node.principal,
            "com.docker.compose.project": self.project,
            "com.docker.compose.service": SERVICE,
            "com.docker.compose.oneoff": "False",
            "com.docker.compose.config-hash": SERVICE,  # Compose ignores containers without one
            "com.docker.compose.container-number": str(node.key.number + 1),
        }


def ray_labels(node: NodeSpec) -> str:
    """Ray's node labels, like those that docker/node.py sets, but with the pool's own name."""
    gpu = {"gpu": "simulated"} if node.gpus and node.role == "gpu-worker" else {}
    return ",".join(f"{key}={value}" for key, value in {"pool": node.key.pool, **gpu}.items())


def healthcheck(role: str) -> dict[str, Any]:
    """compose.yaml's x-healthcheck: healthy means that a job would run now."""
    return {
        "Test": ["CMD", "python3", "-IS", "/opt/raydock/health.py", role],
        "Interval": 30 * SECOND,
        "Timeout": 8 * SECOND,
        "Retries": 3,
        "StartPeriod": 90 * SECOND,
        "StartInterval": SECOND,
    }


def observed_node(container: Mapping[str, Any], networks: Networks) -> ObservedNode:
    """The node that a container in the engine's list runs."""
    labels = container["Labels"]
    key = NodeKey(labels[f"{LABEL}.cluster"], labels[f"{LABEL}.pool"], int(labels[f"{LABEL}.number"]))
    status, state = container["Status"], container["State"]
    endpoint = (container["NetworkSettings"]["Networks"] or {}).get(networks.name(key.cluster)) or {}
    kind = "made" if state == "created" else "starting"
    if state in ("exited", "dead", "restarting") or "(unhealthy)" in status:
        kind = "failed"
    elif "(healthy)" in status:
        kind = "ready"
    return ObservedNode(key, kind, endpoint.get("IPAddress", ""), labels[f"{LABEL}.principal"], status)


def company_certificates() -> bytes:
    """A tar of the company's CA certificates, which this service gets as a Compose secret; empty if there are none."""
    content = CA_BUNDLE.read_bytes() if CA_BUNDLE.is_file() else b""
    return archive({"secrets/ca_bundle": content}) if content else b""


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar of these files, world-readable, for the engine to unpack in a container."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o444
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
