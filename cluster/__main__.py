import sys

from raydock import crash


def command() -> int:
    from cluster.cli import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(crash.guarded("cluster", command))
