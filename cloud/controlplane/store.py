"""What the control plane remembers: clusters and operations, in one file that is written whole or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cloud.identity.tokens import write_private

FILE = "vertex.json"
KEPT = 200  # operations: the oldest that are done are forgotten


@dataclass(slots=True)
class ClusterRecord:
    """A persistent resource. `spec` is what it was created with, as its message's JSON; times are Unix seconds."""

    name: str
    spec: dict[str, Any]
    project: str  # its id
    principal: str  # who its jobs are
    host: str  # of its dashboard
    created: float
    updated: float
    started: float = 0  # 0: it never ran
    state: str = "PROVISIONING"
    error: str = ""
    head: str = ""  # address of the head in the nodes' network


@dataclass(slots=True)
class OperationRecord:
    """A long-running operation: `verb` is create, update or delete, `version` of the API that began it."""

    name: str
    verb: str
    cluster: str
    version: str
    created: float
    updated: float
    done: bool = False
    code: str = ""  # of the error that it ended with
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)  # the resource as it was then


@dataclass(slots=True)
class Store:
    """Both, by name. `folder` is where they are kept; none for tests."""

    folder: Path | None = None
    clusters: dict[str, ClusterRecord] = field(default_factory=dict)
    operations: dict[str, OperationRecord] = field(default_factory=dict)

    def save(self) -> None:
        done = [name for name, found in self.operations.items() if found.done]
        for name in done[: max(0, len(self.operations) - KEPT)]:
            del self.operations[name]
        if self.folder:
            told = {
                "clusters": [asdict(one) for one in self.clusters.values()],
                "operations": [asdict(one) for one in self.operations.values()],
            }
            write_private(self.folder / FILE, json.dumps(told, indent=1).encode())


def load(folder: Path) -> Store:
    """What was kept there; nothing where nothing was."""
    store = Store(folder)
    try:
        kept = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return store
    store.clusters = {one["name"]: ClusterRecord(**one) for one in kept["clusters"]}
    store.operations = {one["name"]: OperationRecord(**one) for one in kept["operations"]}
    return store
