#!/usr/bin/env python3
"""Send one job script to a Ray cluster: python submit.py jobs/sklearn_joblib.py

Any Python of the machine will do: where it lacks what the submitter needs, the project's environment is used.
"""

import os
import sys


def use_environment() -> None:
    """Goes on in the project's environment where this Python can't run the submitter."""
    here = os.path.dirname(os.path.abspath(__file__))
    if here not in sys.path:  # python -I leaves it out
        sys.path.insert(0, here)
    from raydock.interpreter import use_environment

    lock = os.path.join(here, "requirements", "submit.txt")
    needed = ["httpx", "packaging", "yaml"] + (["tomli"] if sys.version_info < (3, 11) else [])
    pip = "   (or: {} -m pip install -r {})".format(sys.executable, lock)  # noqa: UP032  old Pythons read this
    again = [os.path.abspath(__file__), *sys.argv[1:]]
    use_environment("submit", needed, again, otherwise=pip, what="the submitter")


if __name__ == "__main__":
    try:
        use_environment()
        from submit.cli import main

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
