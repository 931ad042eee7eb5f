"""Makes a driver of the processes cluster join the head, as it does in Docker and on Vertex AI.

`ray.init()` looks for the raylet that has the driver's address. Here all nodes have 127.0.0.1, so it
would take one by chance, and the job would end together with that node when it is drained or dies: the
job manager in the head's agent is such a driver too. There is no setting for it.

This folder is in PYTHONPATH of the cluster's processes, so Python runs this file as each of them starts.
It changes one function of ray._private.services once something imports that module.
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
HEAD = "node:__internal_head__"  # the resource that the head's raylet has
FOLDER = Path(__file__).resolve().parent


def patch(services: Any) -> None:
    def node_of_the_head(gcs_address: str, node_ip_address: str) -> Any:
        state = import_module("ray._private.state").GlobalState()
        state._initialize_global_state(services._get_gcs_client_options(gcs_address))
        alive = [node for node in state.node_table() if node["Alive"]]
        head = next((node["NodeID"] for node in alive if HEAD in node["Resources"]), None)
        # The head's own raylet may not have registered yet; Ray's way waits for one.
        return services.get_node(gcs_address, head) if head else original(gcs_address, node_ip_address)

    original = services.get_node_to_connect_for_driver
    services.get_node_to_connect_for_driver = node_of_the_head


class AfterImport(MetaPathFinder):
    """Lets the import of SERVICES happen as ever, and patches the module then."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
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


def run_the_one_that_this_one_hides() -> None:
    """Python runs only the first sitecustomize of its path; a distribution or a tool may have its own."""
    others = [entry for entry in sys.path if Path(entry or ".").resolve() != FOLDER]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


sys.meta_path.insert(0, AfterImport())
run_the_one_that_this_one_hides()
