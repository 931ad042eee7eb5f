"""Runs a job script as the Job API does: a process of its own, with the cluster in its environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[3]
JOBS = sorted((ROOT / "jobs").glob("*.py"))
MARK = "RESULT "


def start(script: Path, *words: str, env: dict[str, str], output: IO[str] | int) -> subprocess.Popen[str]:
    """Starts a job script; `env` says with which Ray."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYDOCK_"))}
    env = usual | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONUNBUFFERED": "1"} | env
    return subprocess.Popen(
        [sys.executable, str(script), *words],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait(process: subprocess.Popen[str], seconds: float) -> int:
    """The exit code. A job that takes too long is interrupted, so that it ends its Ray, then killed."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
        raise


def result(log: str) -> dict[str, Any]:
    """The last RESULT line of a log, as strict JSON: NaN and Infinity are refused."""
    lines = [line for line in log.splitlines() if line.startswith(MARK)]
    assert lines, f"no RESULT line in:\n{log}"
    found = json.loads(lines[-1].removeprefix(MARK), parse_constant=refuse)
    assert isinstance(found, dict)
    return found


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
