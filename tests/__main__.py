"""Runs the tests: `make test` is the gate for every change, `make test-all` runs everything.

    python -m tests [--all | --unit] [arguments of pytest]

Lint runs first, then the tests that need no cluster. The images are built in the background.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.conftest import NO_ENGINE, REQUIRED, engine_answers
from tests.images import start_build
from tests.lab import LABS, ROOT, remove_labs

GATE, EVERYTHING = "not live and not nightly", "not live"  # which marks are run
SLOWEST = 60  # tests that are listed at the end
# At least two: tests spend much of their time waiting.
PROCESSES = max(2, min(os.cpu_count() or 1, 8))


INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    words = [word for word in argv if word not in ("--all", "--unit")]
    if "--unit" in argv:  # a third of their time is waiting
        return run("pytest", "tests/unit", "-q", *spread(PROCESSES + 1), *words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as labs:
        os.environ[LABS] = labs
        try:
            return checked("--all" in argv, words)
        except KeyboardInterrupt:
            print("Interrupted; removing the clusters started by the tests.", file=sys.stderr)
            remove_labs(Path(labs))
            return INTERRUPTED


def checked(everything: bool, words: Sequence[str]) -> int:
    """Lints, then tests, while the images are built. Returns the first exit code that is not 0."""
    if not engine_answers():
        if os.environ.get("REQUIRE_DOCKER"):
            print(REQUIRED, file=sys.stderr)
            return 1
        print(NO_ENGINE, file=sys.stderr, flush=True)
        return lint() or tests(everything, words)
    with tempfile.TemporaryFile() as log:
        build = start_build(log)
        try:
            return lint() or tests(everything, words)
        finally:
            end(build, log)


def end(build: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Stops a running build and its children; prints the log of a failed one."""
    if build.poll() is None:
        os.killpg(build.pid, signal.SIGTERM)
        build.wait()
    elif build.returncode:
        log.seek(0)
        print(log.read().decode(errors="replace")[-5000:], file=sys.stderr)


def lint() -> int:
    """The first exit code that is not 0."""
    commands = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])
    return next((code for words in commands if (code := run(*words))), 0)


def tests(everything: bool, words: Sequence[str]) -> int:
    chosen = ("-m", EVERYTHING, "--hypothesis-profile=nightly") if everything else ("-m", GATE)
    slowest = (f"--durations={SLOWEST}", "--durations-min=1")
    return run("pytest", *chosen, *spread(PROCESSES), *slowest, *words)


def spread(processes: int) -> tuple[str, ...]:
    """pytest-xdist's options: one process per group of tests/conftest.py, in that order."""
    return ("-n", str(processes), "--dist", "loadgroup", "--no-loadscope-reorder")


def run(module: str, *words: str) -> int:
    process = subprocess.Popen([sys.executable, "-m", module, *words], cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt:  # pytest stops its processes, which may be starting a cluster
        process.send_signal(signal.SIGINT)
        process.wait(120)
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
