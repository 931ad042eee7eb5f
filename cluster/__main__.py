"""python -m cluster, with any Python of the machine."""

import sys


def command() -> int:
    from cluster.cli import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    from raydock.interpreter import use_environment

    use_environment(
        "cluster", ["yaml", "docker"], ["-m", "cluster", *sys.argv[1:]], minimum=(3, 11), arrow="  "
    )
    from raydock import crash

    sys.exit(crash.guarded("cluster", command))
