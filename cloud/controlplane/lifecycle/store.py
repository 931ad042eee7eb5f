"""The control plane's state: clusters and operations, saved atomically to one file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cloud.controlplane.nodes.node_sizing import ClusterShape
from cloud.identity.tokens import write_private

FILE = "vertex.json"
MAX_OPERATIONS = 200  # beyond this, the oldest finished operations are dropped


@dataclass(slots=True)
class ClusterRecord:
    """A persistent resource. `spec` is the JSON of its message as created; times are Unix seconds."""

    name: str
    spec: dict[str, Any]
    project: str  # project ID
    principal: str  # its jobs' identity
    host: str  # its dashboard's host name
    created: float
    updated: float
    started: float = 0  # 0: never RUNNING
    state: str = "PROVISIONING"
    error: str = ""
    head: str = ""  # the head's address on the cluster's network
    scaled: dict[str, list[int]] = field(default_factory=dict)  # node numbers by autoscaled pool
    images: dict[str, str] = field(default_factory=dict)  # local images by pool, for custom images

    @property
    def shape(self) -> ClusterShape:
        """The input from which its nodes are derived."""
        return ClusterShape(self.name, self.spec, self.principal, self.scaled)


@dataclass(slots=True)
class OperationRecord:
    """A long-running operation: `verb` is create, update or delete; `version` is the API version of the request."""

    name: str
    verb: str
    cluster: str
    version: str
    created: float
    updated: float
    done: bool = False
    code: str = ""  # its error's status code name
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)  # the resource when the operation finished


@dataclass(slots=True)
class Store:
    """Clusters and operations by name. `folder` is where they are saved; None in tests."""

    folder: Path | None = None
    clusters: dict[str, ClusterRecord] = field(default_factory=dict)
    operations: dict[str, OperationRecord] = field(default_factory=dict)

    def save(self) -> None:
        """Drop old finished operations and write the file."""
        done = [name for name, found in self.operations.items() if found.done]
        for name in done[: max(0, len(self.operations) - MAX_OPERATIONS)]:
            del self.operations[name]
        if self.folder:
            document = {
                "clusters": [asdict(one) for one in self.clusters.values()],
                "operations": [asdict(one) for one in self.operations.values()],
            }
            write_private(self.folder / FILE, json.dumps(document, indent=1).encode())


def load(folder: Path) -> Store:
    """Load the store from a folder; empty if there is no file."""
    store = Store(folder)
    try:
        saved = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return store
    store.clusters = {one["name"]: ClusterRecord(**one) for one in saved["clusters"]}
    store.operations = {one["name"]: OperationRecord(**one) for one in saved["operations"]}
    return store
