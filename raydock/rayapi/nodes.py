"""The nodes of a running cluster, as its dashboard knows them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydock.errors import NotUp

# A proxy that the environment names is for other machines than this one.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Node:
    """One Ray node, alive or dead."""

    id: str
    name: str  # "cpu-worker-1" among processes, its address in Docker
    host: str  # name of its machine: in Docker its container's id, 12 digits
    pool: str
    cpus: int
    gpus: int
    simulated: bool  # its GPUs are a number only
    memory: int  # bytes that jobs can ask for
    object_store: int  # bytes
    state: str  # ALIVE or DEAD
    started: int  # milliseconds since 1970


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway before a cluster's dashboard, and its key."""

    url: str
    key: str = field(default="", repr=False)

    @property
    def link(self) -> str:
        """For a browser: it trades the key for a cookie, as Jupyter does."""
        return f"{self.url}/?token={self.key}" if self.key else self.url

    def request(self, path: str) -> urllib.request.Request:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return urllib.request.Request(self.url + path, headers=headers)


def get(dashboard: Gateway, path: str, timeout: float = 5.0) -> Any:
    """The JSON that a GET answers. OSError where nothing answers, ValueError for anything else."""
    with DIRECT.open(dashboard.request(path), timeout=timeout) as response:
        return json.loads(response.read(MOST_BYTES))


def answers(dashboard: Gateway, path: str) -> bool:
    """Whether a GET there ends with a success."""
    try:
        DIRECT.open(dashboard.request(path), timeout=5).close()
    except OSError:
        return False
    return True


def list_nodes(dashboard: Gateway, timeout: float = 5.0) -> list[Node]:
    """Every node that the cluster has had, head first. NotUp where no dashboard answers."""
    try:
        answer = get(dashboard, "/api/v0/nodes?detail=1&limit=10000", timeout)
        # Where a node does not say on which machine it is (it has no label host); known only a while after its start.
        summary = get(dashboard, "/nodes?view=summary", timeout)["data"]["summary"]
        raylets = [row.get("raylet", {}) for row in summary]
        hosts = {raylet.get("nodeId", ""): raylet.get("nodeManagerHostname", "") for raylet in raylets}
        nodes = [parse(row, hosts) for row in answer["data"]["result"]["result"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NotUp(
            f"The dashboard at {dashboard.url} does not answer: {reason(error)}.",
            "Start the cluster, or what of it has ended: make cluster-up",
        ) from error
    return sorted(nodes, key=lambda node: (node.pool != "head", node.pool, node.started))


def alive(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node.state == "ALIVE"]


def reason(error: Exception) -> str:
    """What stands behind an error of urllib, without its wrapping."""
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)


def parse(row: Mapping[str, Any], hosts: Mapping[str, str]) -> Node:
    total: Mapping[str, float] = row["resources_total"]
    labels: Mapping[str, str] = row["labels"]
    return Node(
        id=row["node_id"],
        name=row["node_name"],
        host=labels.get("host") or hosts.get(row["node_id"], ""),
        pool=labels.get("pool", "-"),
        cpus=int(total.get("CPU", 0)),
        gpus=int(total.get("GPU", 0)),
        simulated=labels.get("gpu") == "simulated",
        memory=int(total.get("memory", 0)),
        object_store=int(total.get("object_store_memory", 0)),
        state=row["state"],
        started=row["start_time_ms"],
    )
