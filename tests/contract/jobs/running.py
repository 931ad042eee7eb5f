"""Run a job script as the Job API does: in its own process, with the cluster in its environment."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.command import JOBS as JOBS
from tests.command import ROOT as ROOT

MARK = "RESULT "


@contextmanager
def started(script: Path, *words: str, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a job script until the block ends. `env` selects the Ray cluster; `log` receives both output streams."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYDOCK_"))}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(script), *words],
            env=usual | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONUNBUFFERED": "1"} | env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


@functools.cache
def alone(script: Path) -> str:
    """The log of `python jobs/x.py --smoke-test` with its own Ray, run once and cached."""
    # A separate folder hides any other Ray on this machine from ray.init(). pytest's folder has too long a
    # path for Ray's sockets.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        log = Path(folder, "log")
        with started(script, "--smoke-test", env={"RAY_TMPDIR": folder}, log=log) as process:
            code = process.wait(300)
        assert code == 0, log.read_text()
        return log.read_text()


def end(process: subprocess.Popen[str]) -> None:
    """Interrupt a running job, so that it stops its Ray; kill it if it does not end within 20 s."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def wait_for_line(log: Path, text: str, process: subprocess.Popen[str], seconds: float = 600) -> None:
    """Wait until the log of a running job contains the text."""
    deadline = time.monotonic() + seconds
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, f"no {text!r} within {seconds} s in:\n{log.read_text()}"
        time.sleep(0.1)


def result(log: str) -> dict[str, Any]:
    """The last RESULT line of a log, as strict JSON: NaN and Infinity are refused.

    It need not be the last line: the thread in which Ray prints a cluster's logs may import a module
    while the interpreter exits, and then prints a traceback ("can't register atexit after shutdown").
    """
    lines = [line for line in log.splitlines() if line.startswith(MARK)]
    assert lines, f"no RESULT line:\n{log}"
    found = json.loads(lines[-1].removeprefix(MARK), parse_constant=refuse)
    assert isinstance(found, dict)
    return found


def check(found: dict[str, Any], job: str) -> None:
    """Assert what the result of every job contains."""
    assert {"version": found["version"], "job": found["job"]} == {"version": 1, "job": job}
    assert isinstance(found["data"], str)
    assert found["data"]
    assert found["metrics"]
    assert found["seconds"]
    if job != "whoami":  # it measures nothing
        assert set(found) >= {"cpus", "speed_up", "efficiency", "peak_memory_mib"}
    for task in found.get("tasks", []):
        assert isinstance(task["name"], str)
        assert task["start"] <= task["end"]
    assert found["nodes"]
    for node in found["nodes"]:
        assert set(node) >= {"node", "pool", "tasks"}
        assert node["tasks"] > 0


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
