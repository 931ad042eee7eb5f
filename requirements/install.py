"""Makes the project's environment, .venv, from the locked requirements: `make setup`.

It runs on any Python 3.8 or later with nothing installed. The environment's own Python is 3.11, the one that Ray
on Vertex AI has: found on this machine, else brought by uv. Nothing is done where the locks have not changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
VENV = ROOT / ".venv"
PYTHON = "3.11"


def main() -> int:
    """Makes .venv where it is missing or out of date."""
    stamp = VENV / "raydock-lock"
    wanted = hashlib.sha256((LOCKS / "dev.txt").read_bytes() + (LOCKS / "setup.txt").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and works(VENV / "bin" / "python"):
        return 0
    say(f"making the project's environment in {VENV.name} (Python {PYTHON}, locked packages) …")
    try:
        make_environment()
        install()
    except subprocess.CalledProcessError as fault:
        say(
            f"the environment could not be made: {' '.join(map(str, fault.cmd))} ended with {fault.returncode}."
        )
        say("      → read its output above; the network to a package index is needed, then: make setup")
        return 1
    stamp.write_text(wanted)
    say("the environment is ready")
    return 0


def make_environment() -> None:
    """A new .venv with Python 3.11 and uv in it."""
    if not works(VENV / "bin" / "python", "import pip"):
        python = found_python()
        if python:
            run(python, "-m", "venv", "--clear", VENV)
        else:
            bring_python()
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "-r", LOCKS / "setup.txt")


def bring_python() -> None:
    """Has uv bring Python 3.11, from an environment of its own."""
    say(f"this machine has no Python {PYTHON}; uv brings one")
    helper = ROOT / ".venv-uv"
    run(sys.executable, "-m", "venv", "--clear", helper)
    run(
        helper / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        LOCKS / "setup.txt",
    )
    run(helper / "bin" / "uv", "venv", "--clear", "--seed", "--python", PYTHON, VENV)
    shutil.rmtree(helper)


def install() -> None:
    """Everything that dev.txt locks, by uv; by pip where uv doesn't reach the index that pip is configured for.

    The locks are whole, so nothing is resolved here: what requirements/overrides.in settles would be refused.
    """
    locks = ["-r", LOCKS / "dev.txt", "-r", LOCKS / "setup.txt"]
    uv = [
        VENV / "bin" / "uv",
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--require-hashes",
        "--no-deps",
        "--python",
        VENV / "bin" / "python",
    ]
    try:
        run(*uv, *locks)
    except subprocess.CalledProcessError:
        say("uv could not install it; trying pip, which takes some minutes")
        pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        run(*pip, *locks)


def found_python() -> str | None:
    """A Python 3.11 of this machine that can make environments."""
    named = [sys.executable, shutil.which("python3.11"), shutil.which("python3"), "/usr/bin/python3.11"]
    return next((python for python in named if python and works(Path(python), "import ensurepip")), None)


def works(python: Path, also: str = "pass") -> bool:
    """Whether it is there, is 3.11, and can do what is asked."""
    if not os.access(python, os.X_OK):
        return False
    test = f"import sys; {also}; sys.exit(sys.version_info[:2] != (3, 11))"
    return subprocess.run([str(python), "-c", test], capture_output=True, check=False).returncode == 0


def run(*command: object) -> None:
    """One command; its output is shown."""
    subprocess.run([str(word) for word in command], check=True)


def say(line: str) -> None:
    """A line for the person."""
    print(f"setup: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
