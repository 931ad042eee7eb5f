"""`ray start` that stays on 127.0.0.1: `python -P loopback.py start --node-ip-address=127.0.0.1 …`.

`ray start` replaces 127.0.0.1 by the machine's outer address (ray._private.services,
resolve_ip_for_localhost), so that every server of Ray would listen on all addresses. Ray has a mode
without that, RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0, which jobs and workers inherit from the environment;
in that mode `ray start` refuses a second node. Here, for the starting process only, both are given.

Ray gives its dashboard 200 polls of 0.1 s and then ends the head (start_api_server), which is too little on a
busy machine: `up` has a deadline of its own.

Each node also gets a folder of its own for runtime envs. Nodes of one machine share the session's folder,
and whichever prepares a working dir first removes the one that is there (working_dir.py: overwrite=True),
under the feet of the job's driver.
"""

import os
import subprocess
import sys
from pathlib import Path

LEFTOVERS = Path(__file__).parents[2] / "docker" / "leftovers.py"


def main() -> None:
    if os.environ["RAYDOCK_NODE"] == "head" and sys.platform == "linux":
        # Ends what jobs leave behind, as on the head in Docker.
        command = [sys.executable, "-IS", str(LEFTOVERS), str(os.getpid())]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    import ray._private.ray_constants as constants
    import ray._private.services as services
    from ray.scripts.scripts import main as ray

    constants.ENABLE_RAY_CLUSTER = True
    constants.DEFAULT_RUNTIME_ENV_DIR_NAME += f"/{os.environ['RAYDOCK_NODE']}"
    services.range = lambda polls: range(9 * polls)
    services.get_node_ip_address = lambda address="": "127.0.0.1"
    sys.argv[0] = "ray"
    ray()


if __name__ == "__main__":
    main()
