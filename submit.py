#!/usr/bin/env python3
"""Send one job script to a Ray cluster: python submit.py jobs/sklearn_joblib.py

Runs under any Python: if the interpreter lacks a dependency, the submitter restarts in the project's environment.
"""

import os
import sys


def use_environment() -> None:
    """Restart in the project's environment if this Python can't run the submitter."""
    here = os.path.dirname(os.path.abspath(__file__))
    if here not in sys.path:  # python -I leaves it out
        sys.path.insert(0, here)
    from raydock import interrupts

    interrupts.starting("submit: interrupted before anything was sent.")
    from raydock.interpreter import use_environment

    lock = os.path.join(here, "requirements", "submit.txt")
    needed = ["httpx", "packaging", "yaml"] + (["tomli"] if sys.version_info < (3, 11) else [])
    pip = "   (or: {} -m pip install -r {})".format(sys.executable, lock)  # noqa: UP032  for old Pythons
    command_line = [os.path.abspath(__file__), *sys.argv[1:]]
    use_environment("submit", needed, command_line, otherwise=pip, what="the submitter")


def exit_process(code: int) -> None:
    """Exit without waiting for threads that are still blocked, for example in a DNS lookup."""
    import threading

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # closed or not writable; `main` has reported it
            code = code or 0
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


def start() -> int:
    """Run the submitter and return its exit code, even if it fails to import."""
    use_environment()
    from raydock.crash import guarded

    return guarded("submit", run_command)


def run_command() -> int:
    """Run the command line; imported only after the environment is known to work."""
    from submit.cli import main

    return main()


if __name__ == "__main__":
    exit_process(start())
