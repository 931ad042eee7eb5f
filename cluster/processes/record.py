"""Records a cluster that runs as processes, in `.raydock/processes.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path

from raydock.state import write_private

VERSION = 3


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """One node: its ports and its `ray start` process, whose environment contains the node's name."""

    name: str
    pool: str
    pid: int = 0  # 0: not started yet
    since: int = 0  # milliseconds since 1970
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports, other than the gateway's, that stay the same while the cluster exists."""

    dashboard: int = 0  # Ray's dashboard, behind the gateway
    metadata: int = 0  # this and the next two belong to the lab's cloud: cloud/server.py
    emulator: int = 0
    own: int = 0


@dataclass(frozen=True, slots=True)
class ProcessesRecord:
    """What was started or planned, which is enough to resume, inspect and remove the cluster."""

    temp: str  # the cluster's temporary folder
    port: int  # the gateway's
    nodes: tuple[NodeProcess, ...] = ()
    ports: Ports = Ports()
    services: dict[str, int] = field(default_factory=dict)  # process ids, keyed by service name
    code: str = ""  # a digest of the code that the lab's cloud runs

    @property
    def head(self) -> NodeProcess:
        """The head node."""
        return next(node for node in self.nodes if node.pool == "head")

    def with_node(self, node: NodeProcess) -> ProcessesRecord:
        """A copy in which this node replaces the one with the same name or, if there is none, is appended."""
        if all(other.name != node.name for other in self.nodes):
            return replace(self, nodes=(*self.nodes, node))
        return replace(self, nodes=tuple(node if other.name == node.name else other for other in self.nodes))

    def with_service(self, name: str, pid: int) -> ProcessesRecord:
        """A copy with the service's process id."""
        return replace(self, services={**self.services, name: pid})

    def taken(self) -> set[int]:
        """Every port that the cluster uses."""
        fixed = {port for port in astuple(self.ports) if port}
        return {self.port, *fixed, *(port for node in self.nodes for port in node.ports)}


def path_in(state: Path) -> Path:
    """The record's path in the state folder."""
    return state / "processes.json"


def save(state: Path, record: ProcessesRecord) -> None:
    """Write the record atomically, so that only this user can read it."""
    fields = asdict(record)
    fields["doors"] = fields.pop("ports")  # its key in version 3
    write_private(path_in(state), json.dumps({"version": VERSION, **fields}, indent=1))


def load(state: Path) -> ProcessesRecord | None:
    """The record, or None if it does not exist, is unreadable or has another version.

    Processes without a record can be found by their marker.
    """
    try:
        raw = json.loads(path_in(state).read_text())
        if raw["version"] != VERSION:
            return None
        nodes = tuple(NodeProcess(**{**node, "ports": tuple(node["ports"])}) for node in raw["nodes"])
        ports, services = Ports(**raw["doors"]), dict(raw["services"])
        return ProcessesRecord(raw["temp"], raw["port"], nodes, ports, services, str(raw.get("code", "")))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def remove(state: Path) -> None:
    """Delete the record if it exists."""
    path_in(state).unlink(missing_ok=True)
