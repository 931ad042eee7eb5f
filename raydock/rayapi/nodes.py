"""The nodes of a running cluster, as its dashboard lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydock.answers import amounts, mapping, number, rows, text
from raydock.errors import ServerError
from raydock.rayapi import paths
from raydock.rayapi.connection import Gateway


@dataclass(frozen=True, slots=True)
class Node:
    """One Ray node, alive or dead."""

    id: str
    name: str  # "cpu-worker-1"; the IP address for nodes without a name, as on Vertex AI
    host: str  # its machine's host name; in Docker, the container's 12-digit id
    pool: str
    cpus: int
    gpus: int
    simulated: bool  # its GPUs are only a resource count
    memory: int  # bytes available to jobs
    object_store: int  # bytes
    state: str  # ALIVE or DEAD
    started: int  # milliseconds since 1970
    gpu_name: str = ""  # of real GPUs
    gpu_memory: int = 0  # bytes per real GPU; 0 if unknown


def list_nodes(gateway: Gateway) -> list[Node]:
    """All nodes of the local cluster, past and present, the head first. Raises ServerError and Unreachable."""
    from raydock.rayapi.blocking import START, local

    with local(gateway) as dashboard:
        listed = dashboard.json(paths.state("nodes"))
        # The host names of nodes without the label `host`; available only some time after a node's start.
        summary = dashboard.json(paths.SUMMARY)
    raylets = [mapping(row.get("raylet")) for row in rows(mapping(summary.get("data")).get("summary"))]
    hosts = {text(raylet.get("nodeId")): text(raylet.get("nodeManagerHostname")) for raylet in raylets}
    nodes = [parse(row, hosts) for row in rows(mapping(listed, "data", "result").get("result"))]
    if not nodes:  # a cluster has at least its head
        raise ServerError(f"The dashboard at {gateway.url} lists no nodes.", START)
    return sorted(nodes, key=lambda node: (node.pool != "head", node.pool, node.started))


def alive(nodes: list[Node]) -> list[Node]:
    """The nodes whose state is ALIVE."""
    return [node for node in nodes if node.state == "ALIVE"]


def parse(row: Mapping[str, Any], hosts: Mapping[str, str]) -> Node:
    """A node from a row of the state API. `hosts` maps node ids to host names."""
    total, labels = amounts(row.get("resources_total")), mapping(row.get("labels"))
    name = text(row.get("node_id"))
    return Node(
        id=name,
        name=text(row.get("node_name")),
        host=text(labels.get("host")) or hosts.get(name, ""),
        pool=text(labels.get("pool")) or "-",
        cpus=int(total.get("CPU", 0)),
        gpus=int(total.get("GPU", 0)),
        simulated=labels.get("gpu") == "simulated",
        memory=int(total.get("memory", 0)),
        object_store=int(total.get("object_store_memory", 0)),
        state=text(row.get("state")),
        started=int(number(row.get("start_time_ms"))),
        gpu_name=text(labels.get("gpu-name")),
        gpu_memory=int(mib) * 2**20 if (mib := text(labels.get("gpu-mib"))).isdecimal() else 0,
    )
