"""`python -m cluster`. Works with any Python on the machine: it re-runs itself in the project's environment."""

import sys


def command() -> int:
    """Run the command line and return the exit code."""
    from cluster.cli import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    from raydock.interpreter import use_environment

    use_environment(
        "cluster", ["yaml", "docker", "httpx"], ["-m", "cluster", *sys.argv[1:]], minimum=(3, 11), arrow="  "
    )
    from raydock import crash

    sys.exit(crash.guarded("cluster", command))
