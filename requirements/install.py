"""Creates the project's environment, .venv, from the lock files: `make setup`.

Runs on Python 3.8 or later with no packages installed. The environment itself uses Python 3.11, the version of Ray on
Vertex AI; uv downloads it if this machine does not have it. Does nothing if the lock files have not changed.
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
    """Create .venv if it is missing or out of date. Returns the exit code: 0, or 1 if a command failed."""
    stamp = VENV / "raydock-lock"
    wanted = hashlib.sha256((LOCKS / "dev.txt").read_bytes() + (LOCKS / "setup.txt").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and works(VENV / "bin" / "python"):
        return 0
    say(f"creating the project's environment in {VENV.name} (Python {PYTHON}, locked packages) …")
    try:
        make_environment()
        install()
    except subprocess.CalledProcessError as fault:
        say(
            "could not create the environment: "
            f"{' '.join(map(str, fault.cmd))} failed with exit code {fault.returncode}."
        )
        say("      → see its output above, check the connection to the package index, then run: make setup")
        return 1
    stamp.write_text(wanted)
    say("the environment is ready")
    return 0


def make_environment() -> None:
    """Create .venv with Python 3.11, pip and uv, unless it exists with Python 3.11 and pip."""
    if not works(VENV / "bin" / "python", "import pip"):
        python = find_python()
        if python:
            run(python, "-m", "venv", "--clear", VENV)
        else:
            download_python()
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "-r", LOCKS / "setup.txt")


def download_python() -> None:
    """Create .venv with a Python 3.11 that uv downloads. uv runs from a temporary environment."""
    say(f"Python {PYTHON} was not found on this machine; downloading it with uv")
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
    """Install everything in dev.txt with uv, or with pip if uv can't reach the index that pip is configured for.

    The lock files are complete, so dependencies are not resolved (--no-deps). A resolver would reject the conflicts
    that requirements/overrides.in overrides.
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
        say("uv could not install the packages; trying pip, which takes a few minutes")
        pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        run(*pip, *locks)


def find_python() -> str | None:
    """The path of a Python 3.11 on this machine that can create environments, or None."""
    named = [sys.executable, shutil.which("python3.11"), shutil.which("python3"), "/usr/bin/python3.11"]
    return next((python for python in named if python and works(Path(python), "import ensurepip")), None)


def works(python: Path, also: str = "pass") -> bool:
    """Whether the interpreter exists, is Python 3.11, and can run the statement `also`."""
    if not os.access(python, os.X_OK):
        return False
    test = f"import sys; {also}; sys.exit(sys.version_info[:2] != (3, 11))"
    return subprocess.run([str(python), "-c", test], capture_output=True, check=False).returncode == 0


def run(*command: object) -> None:
    """Run a command and show its output. Raises CalledProcessError."""
    subprocess.run([str(word) for word in command], check=True)


def say(line: str) -> None:
    """Print a line of progress to stderr."""
    print(f"setup: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
