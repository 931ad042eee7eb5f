"""The lab's controller for RayClusters (cloud/kubernetes), with processes of this machine as pods.

with controlled(server, "ray", folder / "pods"):
    ... create a RayCluster; once it is ready, its head is behind the service proxy ...

A pod gets the arguments and variables of its object. What a container would isolate (ports, sockets, memory) is chosen
as in the processes runtime.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.kubernetes import api as client
from cloud.kubernetes.controller import Controller
from cloud.kubernetes.operator.wanted import GROUP, HEAD_GROUP, PORTS
from cloud.kubernetes.pods.runner import RunningPod
from cloud.kubernetes.pods.spec import container_of, environment_of
from cluster import ports
from cluster.processes import loopback, process_tree, ray_node, temp_dir
from cluster.processes.identity import LOOPBACK
from cluster.processes.record import NodeProcess, Ports, ProcessesRecord
from raydock.errors import ServerError, Unreachable
from raydock.rayapi import nodes
from raydock.rayapi.connection import Gateway
from raydock.topology import Pool
from tests.kubeserver import ADMIN, KubeServer, own_address

MEMORY, STORE = 2 * 2**30, 200 * 2**20  # of each pod, in bytes
ENOUGH = 2**50  # bytes, for all pods


@dataclass(frozen=True, slots=True)
class Started:
    """A pod that runs."""

    name: str
    uid: str
    cluster: str
    head: bool


@dataclass
class ProcessPods:
    """`PodRunner` with processes. `heads` are the processes' records, by cluster."""

    state: Path
    running: dict[str, Started] = field(default_factory=dict)  # by uid
    heads: dict[str, ProcessesRecord] = field(default_factory=dict)

    async def memory(self) -> int:
        return ENOUGH

    async def list(self) -> Sequence[RunningPod]:
        alive = {cluster: await asyncio.to_thread(self.alive, cluster) for cluster in self.heads}
        return [self.observed(pod, alive.get(pod.cluster, 0)) for pod in self.running.values()]

    def observed(self, pod: Started, alive: int) -> RunningPod:
        """A head is ready with its first node, the workers once all nodes live."""
        wanted = 1 if pod.head else sum(one.cluster == pod.cluster for one in self.running.values())
        return RunningPod(
            pod.uid, pod.cluster, "ready" if alive >= wanted else "starting", own_address(), handle=pod.uid
        )

    async def start(self, pod: Mapping[str, Any], cluster: str) -> None:
        """Starts a pod; a worker once the head lives."""
        about, head = pod["metadata"], pod["metadata"]["labels"][GROUP] == HEAD_GROUP
        if head:
            self.folder(cluster).mkdir(exist_ok=True)
            dashboard = Ports(*ports.pick(1, set()))
            self.heads[cluster] = ProcessesRecord(temp_dir.make(self.folder(cluster)), 0, ports=dashboard)
        elif not await asyncio.to_thread(self.alive, cluster):
            return
        self.launch(pod, cluster, head)
        self.running[about["uid"]] = Started(about["name"], about["uid"], cluster, head)

    def launch(self, pod: Mapping[str, Any], cluster: str, head: bool) -> None:
        """Starts the processes of a pod."""
        name = pod["metadata"]["name"]
        group = "head" if head else pod["metadata"]["labels"][GROUP]
        taken = self.heads[cluster].taken()
        node = NodeProcess(name, group, ports=tuple(ports.pick(ray_node.count_of_ports(group), taken)))
        record = self.heads[cluster] = self.heads[cluster].with_node(node)
        state, pool = self.folder(cluster), Pool(group, "", 1, 0, 0, MEMORY, STORE, {})
        environ = ray_node.environment(state, record, pool, node) | environment_of(pod)
        with (state / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command(pod, record, node, head), env=environ, cwd=f"{record.temp}/home", start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        process.returncode = 0  # keeps Popen from warning that the process is still running

    async def stop(self, pods: Sequence[RunningPod]) -> None:
        for pod in pods:
            await asyncio.to_thread(self.end, self.running.pop(pod.uid))

    def end(self, pod: Started) -> None:
        """Ends a pod."""
        process_tree.Owned(str(self.folder(pod.cluster)), pod.name).end()
        if pod.head:
            temp_dir.remove([self.heads.pop(pod.cluster).temp])

    async def keep(self, clusters: Collection[str]) -> None:
        """There are no networks."""

    def alive(self, cluster: str) -> int:
        """How many Ray nodes the cluster has."""
        if cluster not in self.heads:
            return 0
        try:
            gateway = Gateway(f"http://{own_address()}:{self.heads[cluster].ports.dashboard}")
            found = len(nodes.alive(nodes.list_nodes(gateway)))
        except (ServerError, Unreachable):
            return 0
        self.describe(cluster)
        return found

    def describe(self, cluster: str) -> None:
        """Writes which packages the head has, as our images do. Without it, each job would install its own."""
        logs = Path(ray_node.ray_folder(self.heads[cluster].temp), "session_latest", "logs")
        module = loopback.module(loopback.DOCKER / "description.py")
        with suppress(FileNotFoundError):  # each driver that connects replaces the link session_latest
            if not (logs / module.DESCRIPTION).exists():
                (logs / module.DESCRIPTION).write_text(json.dumps(module.describe()))

    def folder(self, cluster: str) -> Path:
        """The state folder of a cluster."""
        return self.state / cluster.replace("/", "-")

    def ports_of(self, head: Mapping[str, Any]) -> dict[str, int]:
        """The ports behind the head's service."""
        found = self.running.get(head["metadata"]["uid"])
        return {"dashboard": self.heads[found.cluster].ports.dashboard} if found else PORTS


def command(pod: Mapping[str, Any], record: ProcessesRecord, node: NodeProcess, head: bool) -> list[str]:
    """The pod's `ray start`. The first argument of its container is the role in docker/node.py."""
    params = container_of(pod)["args"][1:]
    options = ray_node.HEAD_PORTS if head else ray_node.PORTS
    first = next(one for one in record.nodes if one.pool == "head")
    sockets = zip(ray_node.SOCKETS, ray_node.sockets(record.temp, node.name), strict=True)
    where = (
        ["--head", f"--temp-dir={ray_node.ray_folder(record.temp)}", f"--dashboard-port={record.ports.dashboard}",
         "--dashboard-host=0.0.0.0"]
        if head
        else [f"--address={ray_node.gcs(first)}"]
    )  # fmt: skip
    return [
        *(sys.executable, "-P", str(ray_node.LAUNCHER), "start", "--block", *where, *params),
        *(f"{option}={port}" for option, port in zip(options, node.ports, strict=False)),
        *(f"{option}={path}" for option, path in sockets),
        *(f"--node-ip-address={LOOPBACK}", f"--include-log-monitor={head}", f"--memory={MEMORY}"),
        *(f"--object-store-memory={STORE}", "--min-worker-port=0", "--max-worker-port=0"),
    ]


@contextmanager
def controlled(server: KubeServer, namespace: str, state: Path) -> Iterator[ProcessPods]:
    """A running controller of one namespace; its pods end with the block."""
    state.mkdir(parents=True, exist_ok=True)
    pods, ended, faults = ProcessPods(state), threading.Event(), list[BaseException]()

    async def reconcile() -> None:
        url = f"https://127.0.0.1:{server.port}"
        async with client.opened(url, ADMIN, server.authority, namespace) as api:
            controller = Controller(api, pods, ports=pods.ports_of)
            while not ended.is_set():
                await controller.step()
                await asyncio.sleep(0.3)

    def run() -> None:
        try:
            asyncio.run(reconcile())
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield pods
    finally:
        ended.set()
        thread.join()
        for pod in sorted(pods.running.values(), key=lambda one: one.head):
            pods.end(pod)
    assert faults == []
