#!/usr/bin/env python3
"""Send one job script to a Ray cluster: python submit.py jobs/sklearn_joblib.py

Any Python of the machine will do: where it lacks what the submitter needs, the project's environment is used.
"""

import os
import sys


def use_environment() -> None:
    """Goes on in the project's environment where this Python can't run the submitter."""
    from importlib.util import find_spec

    needed = ["httpx", "packaging", "yaml"] + (["tomli"] if sys.version_info < (3, 11) else [])
    missing = [name for name in needed if find_spec(name) is None]
    if sys.version_info >= (3, 10) and not missing:
        return
    here = os.path.dirname(os.path.abspath(__file__))
    python = os.path.join(here, ".venv", "bin", "python")
    if os.path.exists(python) and os.environ.get("RAYDOCK_REEXEC") != python:
        os.environ["RAYDOCK_REEXEC"] = python
        os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])
    why = f"it has no {', '.join(missing)}" if missing else "it is older than Python 3.10"
    lock = os.path.join(here, "requirements", "submit.txt")
    sys.stderr.write(f"submit: {sys.executable} can't run the submitter: {why}.\n")
    sys.stderr.write(f"      → make setup   (or: {sys.executable} -m pip install -r {lock})\n")
    sys.exit(2)


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
