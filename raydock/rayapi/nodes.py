"""The nodes of a running cluster, as its dashboard lists them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydock.errors import NotUp

# The environment's proxies are for other machines, not for this one.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Node:
    """One Ray node, alive or dead."""

    id: str
    name: str  # "cpu-worker-1"; the IP address for nodes without a name, as on Vertex AI
    host: str  # its machine's host name; in Docker the container's id, 12 digits
    pool: str
    cpus: int
    gpus: int
    simulated: bool  # its GPUs are only a resource count
    memory: int  # bytes available to jobs
    object_store: int  # bytes
    state: str  # ALIVE or DEAD
    started: int  # milliseconds since 1970


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway in front of a cluster's dashboard, and its key."""

    url: str
    key: str = field(default="", repr=False)

    @property
    def link(self) -> str:
        """A link for browsers: the gateway exchanges the key for a cookie, as Jupyter does."""
        return f"{self.url}/?token={self.key}" if self.key else self.url

    def request(self, path: str) -> urllib.request.Request:
        """A GET request with the key."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return urllib.request.Request(self.url + path, headers=headers)


def get(dashboard: Gateway, path: str, timeout: float = 5.0) -> Any:
    """The JSON response to a GET. Raises OSError if nothing answers, ValueError if it is not JSON."""
    with DIRECT.open(dashboard.request(path), timeout=timeout) as response:
        return json.loads(response.read(MOST_BYTES))


def answers(dashboard: Gateway, path: str) -> bool:
    """Whether a GET succeeds."""
    try:
        DIRECT.open(dashboard.request(path), timeout=5).close()
    except OSError:
        return False
    return True


def list_nodes(dashboard: Gateway, timeout: float = 5.0) -> list[Node]:
    """Every node that the cluster has had, the head first. Raises NotUp if no dashboard answers."""
    try:
        answer = get(dashboard, "/api/v0/nodes?detail=1&limit=10000", timeout)
        # The host names of nodes without the label `host`; available only some time after a node's start.
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
    """The nodes whose state is ALIVE."""
    return [node for node in nodes if node.state == "ALIVE"]


def reason(error: Exception) -> str:
    """The cause of a urllib error, without its wrapper."""
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)


def parse(row: Mapping[str, Any], hosts: Mapping[str, str]) -> Node:
    """A node from a row of the state API. `hosts` maps node ids to host names."""
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
