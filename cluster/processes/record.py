"""What the processes cluster writes down about itself, in .raydock/processes.json."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path

from raydock.state import write_private

VERSION = 3


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """One node: the process `ray start`, whose environment names the node, and the ports it was given."""

    name: str
    pool: str
    pid: int = 0  # not started yet
    since: int = 0  # milliseconds since 1970
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports on loopback that stay the same for the cluster's life, beside the gateway's."""

    dashboard: int = 0  # Ray's own, behind the gateway
    metadata: int = 0  # these three are the cloud's: see cloud/server.py
    emulator: int = 0
    own: int = 0


@dataclass(frozen=True, slots=True)
class ProcessesRecord:
    temp: str  # Ray's temporary folder
    port: int  # of the gateway
    nodes: tuple[NodeProcess, ...] = ()
    doors: Ports = Ports()
    services: dict[str, int] = field(default_factory=dict)  # process id by name: the cloud

    @property
    def head(self) -> NodeProcess:
        return next(node for node in self.nodes if node.pool == "head")

    def with_node(self, node: NodeProcess) -> ProcessesRecord:
        """With this node in the place of the one of its name, or as the last."""
        if all(other.name != node.name for other in self.nodes):
            return replace(self, nodes=(*self.nodes, node))
        return replace(self, nodes=tuple(node if other.name == node.name else other for other in self.nodes))

    def with_service(self, name: str, pid: int) -> ProcessesRecord:
        return replace(self, services={**self.services, name: pid})

    def taken(self) -> set[int]:
        doors = {port for port in astuple(self.doors) if port}
        return {self.port, *doors, *(port for node in self.nodes for port in node.ports)}


def file_in(state: Path) -> Path:
    return state / "processes.json"


def save(state: Path, record: ProcessesRecord) -> None:
    """Writes it whole or not at all, for this user's eyes only."""
    write_private(file_in(state), json.dumps({"version": VERSION, **asdict(record)}, indent=1))


def load(state: Path) -> ProcessesRecord | None:
    """The record; None where there is none, or where it is another version's or unreadable.

    Without a record the processes are still found, by their mark.
    """
    try:
        raw = json.loads(file_in(state).read_text())
        if raw["version"] != VERSION:
            return None
        nodes = tuple(NodeProcess(**{**node, "ports": tuple(node["ports"])}) for node in raw["nodes"])
        return ProcessesRecord(raw["temp"], raw["port"], nodes, Ports(**raw["doors"]), dict(raw["services"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def remove(state: Path) -> None:
    file_in(state).unlink(missing_ok=True)
