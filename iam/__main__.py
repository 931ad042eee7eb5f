"""python -m iam, with any Python of the machine."""

import sys

if __name__ == "__main__":
    from raydock.interpreter import use_environment

    use_environment("iam", ["httpx", "yaml"], ["-m", "iam", *sys.argv[1:]], arrow="   → ")
    from iam.cli import main

    sys.exit(main())
