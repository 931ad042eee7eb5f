"""python -m iam, with any Python of the machine."""

import sys


def command() -> int:
    from iam.cli import main

    return main()


if __name__ == "__main__":
    from raydock.interpreter import use_environment

    use_environment("iam", ["httpx", "yaml"], ["-m", "iam", *sys.argv[1:]], arrow="   → ")
    from raydock import crash

    sys.exit(crash.guarded("iam", command))
