"""Runs the `ray` command after patching Ray's private modules, for `ray start`.

Apart from Ray, it uses only the standard library. The patches:

- Startup timeouts. Ray polls its dashboard 200 times, once every 0.1 s, and then kills the head (start_api_server). The
  dashboard waits 30 s for each of its modules and then hangs. Both timeouts are too short on a busy machine. They are
  extended, and the health check enforces the deadline.
- Names. Ray's dashboard lists a node under the host name that its agent reports. In a container this is an id, and
  nodes that run as processes all have the same name. agent.py therefore starts the agent, with the node's name as the
  host name.
- Ray Client. Its server starts one process per client. gRPC restarts its poller in the fork, where Python has closed
  the poller's files before the exec. The process then often dies (every other time with grpcio 1.85), and `ray.init`
  reports "Starting Ray client server failed" (ray#63202, grpc#43055). Fork support is therefore off in the server.
- Workers. Ray imports itself twice for each process of a job. setup_worker.py replaces the first import.
"""

import os
import sys
from pathlib import Path
from typing import Any

AGENT = Path(__file__).with_name("agent.py")
SETUP_WORKER = Path(__file__).with_name("setup_worker.py")


def patch(services: Any) -> None:
    """Patch ray._private.services in this process, and set an environment variable for its children."""
    services.range = lambda polls: range(9 * polls)
    services.ray_constants.SETUP_WORKER_FILENAME = str(
        SETUP_WORKER
    )  # joined to a folder, so an absolute path replaces it
    os.environ.setdefault(
        "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT", "180"
    )  # ray/dashboard/consts.py
    build = services._build_python_executable_command_memory_profileable

    def command(component: str, session_dir: str, unbuffered: bool = True) -> list[str]:
        return [
            *build(component, session_dir, unbuffered),
            *([str(AGENT)] if component == "dashboard_agent" else []),
        ]

    services._build_python_executable_command_memory_profileable = command
    start = services.start_ray_client_server

    def start_client_server(*arguments: Any, **named: Any) -> Any:
        before = os.environ.copy()
        os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
        try:
            return start(*arguments, **named)
        finally:
            os.environ.clear()
            os.environ.update(before)

    services.start_ray_client_server = start_client_server


def main() -> None:
    """Patch Ray, then run its command line."""
    import ray._private.services as services
    from ray.scripts.scripts import main as ray

    patch(services)
    sys.argv[0] = "ray"
    ray()


if __name__ == "__main__":
    main()
