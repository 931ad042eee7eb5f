"""Run `python -m iam` with any Python on the machine."""

import sys


def command() -> int:
    """Run the command line and return its exit code."""
    from iam.cli import main

    return main()


if __name__ == "__main__":
    from raydock.interpreter import use_environment

    use_environment("iam", ["httpx", "yaml"], ["-m", "iam", *sys.argv[1:]], arrow="   → ")
    from raydock import crash

    sys.exit(crash.guarded("iam", command))
