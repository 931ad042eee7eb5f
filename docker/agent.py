"""Runs Ray's agent under the node's name: `python agent.py RAY/dashboard/agent.py ARGUMENTS`. See start.py.

The agent is the only process whose host name changes, so jobs can still resolve their own.
"""

import os
import runpy
import socket
import sys


def main() -> None:
    """Run the script that the first argument names, as Python would, with RAYDOCK_NODE as the host name."""
    if name := os.environ.get("RAYDOCK_NODE"):
        socket.gethostname = lambda: name
    del sys.argv[0]
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
