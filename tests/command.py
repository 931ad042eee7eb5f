"""Runs submit.py as a user does: a process of its own, its streams and its exit code."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLAGS = "SUBMIT_FLAGS"
# The lessons; the other files in jobs/ are modules that they import.
IMPORTED = {"joblib_ray", "gpu_work", "tune_tables"}  # files that jobs import
JOBS = sorted(path for path in (ROOT / "jobs").glob("*.py") if path.stem not in IMPORTED)
SUBMISSION = re.compile(r"[A-Za-z0-9_]+-\d{4}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True)
class Ended:
    """How a command ended. `said` is stderr with the submission id written as ID."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return SUBMISSION.sub("ID", self.err)

    @property
    def submission_id(self) -> str:
        found = SUBMISSION.search(self.err + self.out)
        assert found, self.err
        return found[0]


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what could redirect the submitter."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYDOCK_"))}
    return env | {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"} | more


def start(*words: object, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> subprocess.Popen[bytes]:
    """Starts submit.py in its own process group, so that a test can interrupt it.

    Flags in the environment's SUBMIT_FLAGS select the target of a whole suite.
    """
    env = dict(env or environment())
    flags = shlex.split(env.pop(FLAGS, ""))
    return subprocess.Popen(
        [sys.executable, str(ROOT / "submit.py"), *flags, *map(str, words)],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def submit(
    *words: object, env: Mapping[str, str] | None = None, cwd: Path = ROOT, timeout: float = 600
) -> Ended:
    """Runs submit.py to its end."""
    process = start(*words, env=env, cwd=cwd)
    return ended(process, timeout)


def ended(process: subprocess.Popen[bytes], timeout: float = 600) -> Ended:
    """Waits for a started command; one that hangs is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hung for {timeout} s\n{out.decode()}\n{err.decode()}") from None
    return Ended(process.returncode, (out or b"").decode(), err.decode())
