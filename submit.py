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


def leave(code: int) -> None:
    """Ends the process; not kept up by a thread that still waits for an answer, as from a name server."""
    import threading

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # it was closed, or can't be written: `main` has told
            code = code or 0
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


def start() -> int:
    """The submitter's exit code, whatever happens before it can answer for itself."""
    import signal

    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        use_environment()
        from raydock.crash import guarded
    except KeyboardInterrupt:
        return 130
    return guarded("submit", command)


def command() -> int:
    """What it does; imported when this Python is known to do."""
    from submit.cli import main

    return main()


if __name__ == "__main__":
    leave(start())
