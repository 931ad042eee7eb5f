"""Connects drivers to the head node's raylet, as in Docker and on Vertex AI.

`ray.init()` looks for a raylet with the driver's IP address. In the processes runtime, all nodes use 127.0.0.1, so it
would pick an arbitrary node, and the job would fail when that node is drained or dies. The same applies to the job
manager in the head's agent, which is a driver too. Ray has no setting for this.

This folder is on the PYTHONPATH of the cluster's processes, so Python runs this file whenever one of them starts. When
ray._private.services is imported, this file replaces one of its functions.
"""

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

SERVICES = "ray._private.services"
HEAD = "node:__internal_head__"  # a resource that only the head's raylet has
FOLDER = Path(__file__).resolve().parent


def patch(services: Any) -> None:
    """Make `ray.init()` choose the head node. `services` is the module ray._private.services."""

    def head_node(gcs_address: str, node_ip_address: str) -> Any:
        state = import_module("ray._private.state").GlobalState()
        state._initialize_global_state(services._get_gcs_client_options(gcs_address))
        alive = [node for node in state.node_table() if node["Alive"]]
        head = next((node["NodeID"] for node in alive if HEAD in node["Resources"]), None)
        # If the head's raylet has not registered yet, Ray's own function waits for a node.
        return services.get_node(gcs_address, head) if head else original(gcs_address, node_ip_address)

    original = services.get_node_to_connect_for_driver
    services.get_node_to_connect_for_driver = head_node


class AfterImport(MetaPathFinder):
    """Patches the module SERVICES right after its normal import."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the regular spec for SERVICES, extended by the patch. Return None for any other module."""
        if name != SERVICES:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec


def run_shadowed_sitecustomize() -> None:
    """Run the next sitecustomize on the path. Python runs only the first, but a distribution or tool may add others."""
    others = [entry for entry in sys.path if Path(entry or ".").resolve() != FOLDER]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


sys.meta_path.insert(0, AfterImport())
run_shadowed_sitecustomize()
