"""python -m iam"""

import sys

from raydock import crash


def command() -> int:
    from iam.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(crash.guarded("iam", command))
