"""Nodes as containers, through the Docker engine's HTTP API: https://docs.docker.com/reference/api/engine/

A node is what compose.yaml makes of one: its image, user, kind of network, limits and environment. Its labels say
whose it is, so a control plane that starts again finds it; Compose's own labels let `make cluster-down` remove it.
"""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.names import head_host, mark
from cloud.controlplane.nodes.networks import LABEL, Networks
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec, ObservedNode

API = "/v1.44"  # Docker 25, the first with a health check's start interval
SECONDS = 60.0
GIB = 2**30
PID = 2**18  # bytes of memory for each process and thread that a node may have
STOP = 10  # seconds that a node has to end
SERVICE = "vertex-node"  # what Compose takes it for
SECOND = 1_000_000_000  # the API counts nanoseconds
CA_BUNDLE = Path("/run/secrets/ca_bundle")
RAY = "2.47.1"
# What a node gets of this service's environment: compose.yaml's x-google.
PASSED_ON = (
    *("RAYDOCK_TRUST", "GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"),
    *("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"),
    *("NO_PROXY", "no_proxy"),
)


@dataclass(frozen=True, slots=True)
class ContainerNodes:
    """`project` is the Compose project that the nodes belong to."""

    socket: str
    project: str
    prefix: str  # of the images' names
    environ: Mapping[str, str]

    @property
    def networks(self) -> Networks:
        return Networks(self.ask, self.project)

    async def room(self) -> int:
        """How many nodes this machine holds: one for each GiB of its memory."""
        about = await self.ask("GET", "/info")
        return int(about["MemTotal"] // GIB)

    async def open(self, cluster: str) -> None:
        await self.networks.open(cluster)

    async def close(self, cluster: str) -> None:
        await self.networks.close(cluster)

    async def opened(self) -> Sequence[str]:
        return await self.networks.clusters()

    async def doors(self) -> Sequence[str]:
        return await self.networks.doors()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        connector = aiohttp.UnixConnector(self.socket)
        async with aiohttp.ClientSession("http://docker", connector=connector, timeout=timeout) as session:
            yield session

    async def ask(self, verb: str, path: str, fine: tuple[int, ...] = (), **sent: Any) -> Any:
        """One call; NodesFailed for an answer that is an error and not among `fine`."""
        try:
            async with self.session() as session, session.request(verb, API + path, **sent) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            raise NodesFailed(f"The Docker engine does not answer: {type(fault).__name__}.") from None
        told = json.loads(text) if text[:1] in ("{", "[") else {}
        if answer.status >= 400 and answer.status not in fine:
            raise NodesFailed(f"The Docker engine refused: {told.get('message', answer.status)}")
        return told

    async def make(self, node: NodeSpec) -> None:
        name = self.container(node.key)
        query = {"name": name}
        await self.ask("POST", "/containers/create", (409,), params=query, json=self.body(node))
        if bundle := company():
            await self.ask("PUT", f"/containers/{name}/archive", params={"path": "/run"}, data=bundle)
        await self.ask("POST", f"/containers/{name}/start")

    async def list(self) -> Sequence[ObservedNode]:
        filters = json.dumps({"label": [f"{LABEL}={self.project}"]})
        found = await self.ask("GET", "/containers/json", params={"all": "1", "filters": filters})
        return [seen(one, self.networks) for one in found]

    async def remove(self, keys: Sequence[NodeKey]) -> None:
        await asyncio.gather(*(self.end(self.container(key)) for key in keys))
        left = {one.key for one in await self.list()} & set(keys) if keys else set()
        if left:
            raise NodesFailed(f"{len(left)} containers are still there.")

    async def end(self, name: str) -> None:
        """Stops one and removes it, with its volumes; nothing where it is gone."""
        await self.ask("POST", f"/containers/{name}/stop", (404,), params={"t": str(STOP)})
        await self.ask("DELETE", f"/containers/{name}", (404, 409), params={"force": "1", "v": "1"})

    def container(self, key: NodeKey) -> str:
        """Its name: that of the cluster, and a mark of the region and project that the cluster is in."""
        identifier = key.cluster.rpartition("/")[2]
        return f"{self.project}-{identifier}-{mark(key.cluster)[:6]}-{key.pool}-{key.number}"

    def body(self, node: NodeSpec) -> dict[str, Any]:
        """The request to create a container: the same hardening as compose.yaml's x-service."""
        head = node.role == "head"
        network = self.networks.name(node.key.cluster)
        endpoint = {"Aliases": [head_host(node.key.cluster)] if head else []}
        return {
            "Image": f"{self.prefix}/{node.role}:{RAY}",
            "Cmd": [node.role, f"--labels={ray_labels(node)}"],
            "User": "ray",
            "Env": [f"{key}={value}" for key, value in self.environment(node).items()],
            "Labels": self.labels(node),
            "Healthcheck": healthcheck("head" if head else "worker"),
            "HostConfig": {
                "Init": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"],
                "PidsLimit": node.memory // PID,
                "Memory": node.memory,
                "ShmSize": node.memory * 3 // 10,
                "RestartPolicy": {"Name": "unless-stopped"},
                "NetworkMode": network,
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
            },
            "NetworkingConfig": {"EndpointsConfig": {network: endpoint}},
        }

    def environment(self, node: NodeSpec) -> dict[str, str]:
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
        }

    def labels(self, node: NodeSpec) -> dict[str, str]:
        return {
            LABEL: self.project,
            f"{LABEL}.cluster": node.key.cluster,
            f"{LABEL}.pool": node.key.pool,
            f"{LABEL}.number": str(node.key.number),
            f"{LABEL}.principal": node.principal,
            "com.docker.compose.project": self.project,
            "com.docker.compose.service": SERVICE,
            "com.docker.compose.oneoff": "False",
            "com.docker.compose.config-hash": SERVICE,  # without one Compose leaves a container alone
            "com.docker.compose.container-number": str(node.key.number + 1),
        }


def ray_labels(node: NodeSpec) -> str:
    """As docker/node.py sets them, with the pool's own name."""
    gpu = {"gpu": "simulated"} if node.gpus and node.role == "gpu-worker" else {}
    return ",".join(f"{key}={value}" for key, value in {"pool": node.key.pool, **gpu}.items())


def healthcheck(role: str) -> dict[str, Any]:
    """compose.yaml's x-healthcheck: "a job would run now"."""
    return {
        "Test": ["CMD", "python3", "-IS", "/opt/raydock/health.py", role],
        "Interval": 30 * SECOND,
        "Timeout": 8 * SECOND,
        "Retries": 3,
        "StartPeriod": 90 * SECOND,
        "StartInterval": SECOND,
    }


def seen(container: Mapping[str, Any], networks: Networks) -> ObservedNode:
    """A container of the engine's list as a node."""
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


def company() -> bytes:
    """A tar with the company's certificates, which this service has as every node of compose.yaml; or nothing."""
    held = CA_BUNDLE.read_bytes() if CA_BUNDLE.is_file() else b""
    return archive({"secrets/ca_bundle": held}) if held else b""


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar with these files, for the engine to unpack in a container."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o444
            tar.addfile(entry, io.BytesIO(content))
    return held.getvalue()
