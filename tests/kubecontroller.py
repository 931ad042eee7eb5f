"""What KubeRay's operator and a kubelet do for RayClusters, with processes of this machine as pods.

with controlled(server, "ray", folder / "pods"):
    ... create a RayCluster; once it is ready, its head is behind the service proxy ...

A pod gets the rayStartParams and variables of the object. What a container would isolate (ports, sockets, memory) is
chosen as in the processes runtime.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster import ports
from cluster.processes import process_tree, ray_node, temp_dir
from cluster.processes.identity import LOOPBACK
from cluster.processes.record import NodeProcess, Ports, ProcessesRecord
from kuberay.cluster import cluster_of, head_service
from raydock.errors import ServerError, Unreachable
from raydock.rayapi import nodes
from raydock.rayapi.connection import Gateway
from raydock.topology import Pool
from tests.command import ROOT
from tests.kubeserver import RAY, KubeServer, own_address, serve

MEMORY, STORE = 2 * 2**30, 200 * 2**20  # of each pod, in bytes
CONDITIONS = ("HeadPodReady", "RayClusterProvisioned")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that a RayCluster wants. `group` is "head" for the head's."""

    name: str
    cluster: str
    group: str
    params: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def head(self) -> bool:
        return self.group == "head"

    @property
    def pool(self) -> Pool:
        """What the processes runtime asks of a pool. Nothing but the object says that a GPU is simulated."""
        return Pool(self.group, "", 1, 0, 0, MEMORY, STORE, {})

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the pod's container."""
        return {
            one["name"]: one["value"] for one in self.spec["containers"][0].get("env", ()) if "value" in one
        }


def pods_of(cluster: Mapping[str, Any]) -> Iterator[Pod]:
    """The pods of a RayCluster, the head's first; none if it is suspended."""
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    if spec.get("suspend"):
        return
    head = spec["headGroupSpec"]
    yield Pod(f"{name}-head", name, "head", head.get("rayStartParams", {}), head["template"]["spec"])
    for group in spec.get("workerGroupSpecs", ()):
        for number in range(group.get("replicas", 0)):
            title, params = group["groupName"], group.get("rayStartParams", {})
            yield Pod(f"{name}-{title}-worker-{number}", name, title, params, group["template"]["spec"])


@dataclass
class Controller:
    """Makes what runs match the RayClusters of a namespace. `fault` is what ended it, if anything did."""

    server: KubeServer
    namespace: str
    state: Path
    running: dict[str, Pod] = field(default_factory=dict)
    heads: dict[str, ProcessesRecord] = field(default_factory=dict)  # by cluster
    fault: BaseException | None = None

    def run(self, ended: threading.Event) -> None:
        """Reconciles again and again."""
        try:
            while not ended.wait(0.3):
                self.reconcile()
        except BaseException as fault:
            self.fault = fault
            raise

    def reconcile(self) -> None:
        """Starts what is missing, stops what is too much, and reports."""
        found = self.server.admin.get(f"{RAY}/namespaces/{self.namespace}/rayclusters").json()["items"]
        wanted = {pod.name: pod for cluster in found for pod in pods_of(cluster)}
        for name in [one for one in self.running if one not in wanted]:
            self.stop(self.running.pop(name))
        for pod in wanted.values():
            if pod.name not in self.running and (pod.head or self.alive(pod.cluster)):
                self.start(pod)
        for cluster in found:
            self.report(cluster, sum(pod.cluster == cluster["metadata"]["name"] for pod in wanted.values()))

    def start(self, pod: Pod) -> None:
        """Starts a pod, and creates its object."""
        if pod.head:
            (self.state / pod.cluster).mkdir(exist_ok=True)
            dashboard = Ports(*ports.pick(1, set()))
            self.heads[pod.cluster] = ProcessesRecord(
                temp_dir.make(self.state / pod.cluster), 0, ports=dashboard
            )
        self.launch(pod)
        self.running[pod.name] = pod
        core, address = f"/api/v1/namespaces/{self.namespace}/pods", own_address()
        about = {"name": pod.name, "labels": {"ray.io/cluster": pod.cluster, "ray.io/group": pod.group}}
        self.server.make(core, {"metadata": about, "spec": pod.spec})
        running = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        self.server.patch(f"{core}/{pod.name}/status", {"status": running})
        if pod.head:
            port = self.heads[pod.cluster].ports.dashboard
            serve(self.server, self.namespace, head_service(pod.cluster), pod.name, port)

    def launch(self, pod: Pod) -> None:
        """Starts the processes of a pod."""
        record = self.heads[pod.cluster]
        node = NodeProcess(
            pod.name, pod.group, ports=tuple(ports.pick(ray_node.count_of_ports(pod.group), record.taken()))
        )
        record = self.heads[pod.cluster] = record.with_node(node)
        state = self.state / pod.cluster
        environ = ray_node.environment(state, record, pod.pool, node) | pod.environment
        with (state / f"{pod.name}.log").open("wb") as log:
            process = subprocess.Popen(
                command(pod, record, node), env=environ, cwd=f"{record.temp}/home", start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        process.returncode = 0  # keeps Popen from warning that the process is still running

    def stop(self, pod: Pod) -> None:
        """Ends a pod, and deletes what exists because of it."""
        process_tree.Owned(str(self.state / pod.cluster), pod.name).end()
        core = f"/api/v1/namespaces/{self.namespace}"
        gone = [f"pods/{pod.name}?gracePeriodSeconds=0"]
        if pod.head:
            gone += [f"{kind}/{head_service(pod.cluster)}" for kind in ("services", "endpoints")]
            temp_dir.remove([self.heads.pop(pod.cluster).temp])
        for path in gone:
            assert self.server.admin.delete(f"{core}/{path}").status_code in (200, 404)

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
        module = ray_node.node_module(ROOT)
        with suppress(FileNotFoundError):  # each driver that connects replaces the link session_latest
            if not (logs / module.DESCRIPTION).exists():
                (logs / module.DESCRIPTION).write_text(json.dumps(module.describe()))

    def report(self, cluster: Mapping[str, Any], pods: int) -> None:
        """Writes the status as the operator does."""
        about, seen = cluster["metadata"], cluster_of(cluster)
        alive = self.alive(about["name"])
        state = "suspended" if not pods else "ready" if alive == pods else ""
        written = (state or "not ready") == seen.described_state and seen.seen
        if written and seen.service == head_service(about["name"]):
            return
        workers = {"desiredWorkerReplicas": max(pods - 1, 0), "availableWorkerReplicas": max(alive - 1, 0)}
        conditions = [condition(kind, state == "ready") for kind in CONDITIONS]
        status = {
            "state": state,
            "head": {"serviceName": head_service(about["name"])},
            "conditions": conditions,
        }
        path = f"{RAY}/namespaces/{self.namespace}/rayclusters/{about['name']}/status"
        self.server.patch(path, {"status": {**status, **workers, "observedGeneration": about["generation"]}})

    def end(self) -> None:
        """Ends all pods."""
        for pod in self.running.values():
            process_tree.Owned(str(self.state / pod.cluster), pod.name).end()
        temp_dir.remove([record.temp for record in self.heads.values()])


def condition(kind: str, holds: bool) -> dict[str, str]:
    """A condition of the operator's."""
    return {
        "type": kind,
        "status": str(holds),
        "reason": "AllPodRunningAndReadyFirstTime" if holds else "RayClusterPodsProvisioning",
        "message": "",
        "lastTransitionTime": "2026-11-26T00:00:00Z",
    }


def command(pod: Pod, record: ProcessesRecord, node: NodeProcess) -> list[str]:
    """The pod's `ray start`. The operator writes `--KEY=VALUE` into a shell's command line."""
    params = shlex.split(" ".join(f"--{key}={value}" for key, value in pod.params.items()))
    options = ray_node.HEAD_PORTS if pod.head else ray_node.PORTS
    head = next(one for one in record.nodes if one.pool == "head")
    sockets = zip(ray_node.SOCKETS, ray_node.sockets(record.temp, pod.name), strict=True)
    where = (
        ["--head", f"--temp-dir={ray_node.ray_folder(record.temp)}", f"--dashboard-port={record.ports.dashboard}",
         "--dashboard-host=0.0.0.0"]
        if pod.head
        else [f"--address={ray_node.gcs(head)}"]
    )  # fmt: skip
    return [
        *(sys.executable, "-P", str(ray_node.LAUNCHER), "start", "--block", *where, *params),
        *(f"{option}={port}" for option, port in zip(options, node.ports, strict=False)),
        *(f"{option}={path}" for option, path in sockets),
        *(f"--node-ip-address={LOOPBACK}", f"--include-log-monitor={pod.head}", f"--memory={MEMORY}"),
        *(f"--object-store-memory={STORE}", "--min-worker-port=0", "--max-worker-port=0"),
    ]


@contextmanager
def controlled(server: KubeServer, namespace: str, state: Path) -> Iterator[Controller]:
    """A running controller; its pods end with the block."""
    state.mkdir(parents=True, exist_ok=True)
    controller, ended = Controller(server, namespace, state), threading.Event()
    thread = threading.Thread(target=controller.run, args=(ended,))
    thread.start()
    try:
        yield controller
    finally:
        ended.set()
        thread.join()
        controller.end()
    assert controller.fault is None
