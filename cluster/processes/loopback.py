"""Runs `ray start` on 127.0.0.1 only: `python -P loopback.py start --node-ip-address=127.0.0.1 …`.

In addition to the changes in docker/start.py, this patches Ray's private modules in two ways, only in the process that
runs `ray start`:

- The address. `ray start` replaces 127.0.0.1 with the machine's external address (ray._private.services,
  resolve_ip_for_localhost), so all of Ray's servers would listen on every interface. Setting
  RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0, which jobs and workers inherit, turns that off, but `ray start` then rejects a
  second node. With this patch, both work.
- Runtime envs. Nodes on one machine share the session folder. Before a node prepares a working dir, it deletes the
  existing one (working_dir.py: overwrite=True), even while a driver is using it. Each node therefore gets its own
  folder.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DOCKER = Path(__file__).parents[2] / "docker"
LEFTOVERS, START = DOCKER / "leftovers.py", DOCKER / "start.py"


def main() -> None:
    """Patch Ray, then run its command line."""
    if os.environ["RAYDOCK_NODE"] == "head" and sys.platform == "linux":
        # Kills processes that jobs leave behind, as on the head node in Docker.
        command = [sys.executable, "-IS", str(LEFTOVERS), str(os.getpid())]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    import ray._private.ray_constants as constants
    import ray._private.services as services
    from ray.scripts.scripts import main as ray

    constants.ENABLE_RAY_CLUSTER = True
    constants.DEFAULT_RUNTIME_ENV_DIR_NAME += f"/{os.environ['RAYDOCK_NODE']}"
    module(START).patch(services)
    services.get_node_ip_address = lambda address="": "127.0.0.1"
    sys.argv[0] = "ray"
    ray()


def module(path: Path) -> Any:
    """Import one of the images' files, which are not in a package."""
    spec = importlib.util.spec_from_file_location(f"raydock_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


if __name__ == "__main__":
    main()
