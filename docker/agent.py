"""Runs Ray's agent with the node's name as its host name: `python agent.py RAY/dashboard/agent.py ARGUMENTS`.

start.py explains why. Only the agent's host name changes, so jobs can resolve theirs.
"""

import os
import runpy
import socket
import sys


def main() -> None:
    """Run the script given by the first argument, as Python would, with RAYDOCK_NODE as the host name."""
    if name := os.environ.get("RAYDOCK_NODE"):
        socket.gethostname = lambda: name
    del sys.argv[0]
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
