"""The command `ray` with changes to Ray's private modules, for `ray start`. Standard library only, besides Ray.

- Startup timeouts. Ray polls its dashboard 200 times at 0.1 s and then ends the head (start_api_server), and the
  dashboard waits 30 s for each of its modules and then hangs. Both are too short on a busy machine. The health check
  enforces the deadline.
- Names. Ray's dashboard shows a node under the host name that its agent reports: in a container an id, and among
  processes the same name for all nodes. The agent is therefore started by agent.py, which reports the node's name.
"""

import os
import sys
from pathlib import Path
from typing import Any

AGENT = Path(__file__).with_name("agent.py")


def patch(services: Any) -> None:
    """Change the module ray._private.services of this process, and the environment of its children."""
    services.range = lambda polls: range(9 * polls)
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


def main() -> None:
    """Patch Ray, then run its command line."""
    import ray._private.services as services
    from ray.scripts.scripts import main as ray

    patch(services)
    sys.argv[0] = "ray"
    ray()


if __name__ == "__main__":
    main()
