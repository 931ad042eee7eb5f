"""python -m cluster, with any Python of the machine."""

import sys

if __name__ == "__main__":
    from raydock.interpreter import use_environment

    use_environment(
        "cluster", ["yaml", "docker"], ["-m", "cluster", *sys.argv[1:]], minimum=(3, 11), arrow="  "
    )
    from cluster.cli import main

    sys.exit(main(sys.argv[1:]))
