"""`python -m cluster`. Works with any Python on the machine: it re-runs itself in the project's environment."""

import os
import sys


def command() -> int:
    """Run the command line and return the exit code."""
    from cluster.cli import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    from raydock.interpreter import use_environment

    # The lab's user containers have no Docker engine, and so no client of it: cluster.cli says so where it is needed.
    needed = ["yaml", "httpx"] if "GCE_METADATA_HOST" in os.environ else ["yaml", "docker", "httpx"]
    use_environment("cluster", needed, ["-m", "cluster", *sys.argv[1:]], minimum=(3, 11), arrow="  ")
    from raydock import crash

    sys.exit(crash.guarded("cluster", command))
