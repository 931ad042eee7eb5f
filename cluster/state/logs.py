"""Log files in `.raydock/logs`, for slow commands and the processes runtime. Errors quote them and give their path."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from raydock.errors import CommandFailed
from raydock.settings import ROOT
from raydock.terminal.printable import printable

SHOWN = 12  # the number of log lines that an error quotes
STOP_SECONDS = 20.0  # how long an interrupted command may take to exit
TIMED_OUT = 124  # the exit code that timeout(1) uses
# BuildKit's report on a failed step: the step's output between two lines of dashes, then the error.
FAILED_STEP = re.compile(r"^-{4,}\n > \[.*", re.MULTILINE | re.DOTALL)
# Build steps and container state changes, which do not explain a failure.
ROUTINE = re.compile(
    r"^(?:#\d+ (?:DONE|CACHED|\[|transferring|sha256)| *(?:Container|Network|Volume) \S+ +"
    r"(?:Creat|Recreat|Start|Stopp|Remov|Wait|Healthy|Running|Error))"
)


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log file. Each run of its command overwrites it."""

    path: Path

    def run(
        self,
        command: Sequence[str],
        seconds: float,
        on_line: Callable[[str], None],
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command and log all its output. Returns its exit code, or TIMED_OUT after this many seconds.

        Each line of output is passed to `on_line`. Raises OSError if the command can't be started.
        """
        with (
            self.open() as file,
            subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            ) as process,
            Deadline(process, seconds) as deadline,
        ):
            for line in process.stdout or ():
                file.write(line)
                on_line(line.decode(errors="replace").rstrip())
        return TIMED_OUT if deadline.passed else process.returncode

    def failure(self, what: str, code: int, fix: str) -> CommandFailed:
        """The error for a failed command: the cause, the last relevant lines of its output, and the log's path."""
        why = "did not finish in time" if code == TIMED_OUT else f"failed with exit code {code}"
        quoted = [f"  | {line}" for line in relevant(self.read())]
        end = ":" if quoted else "."
        return CommandFailed("\n".join([f"{what} {why}{end}", *quoted, self.reference]), fix)

    @property
    def reference(self) -> str:
        """The line in an error that points to the log."""
        return f"Full log: {shown(self.path)}"

    def open(self) -> IO[bytes]:
        """Empty the log and open it for writing, unbuffered, so that it is always complete."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open(self.path, "wb", buffering=0)

    def read(self) -> str:
        """The log's content, or "" if there is none."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


class Deadline:
    """Kills a command and its children after a timeout, or if its `with` block raises, for example on Ctrl-C."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.process = process
        self.passed = False
        self.timer = threading.Timer(seconds, self.end)
        self.timer.daemon = True

    def __enter__(self) -> Deadline:
        self.timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            self.interrupt()
        self.process.wait()
        self.timer.cancel()

    def end(self) -> None:
        """Kill the command because it timed out."""
        self.passed = True
        self.signal(signal.SIGKILL)

    def interrupt(self) -> None:
        """Interrupt the command like Ctrl-C, which lets Compose finish its current step. Kill it if it hangs."""
        self.signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Signal the command and its children: `docker` runs Compose as a child, which keeps the output open."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def named(state: Path, name: str) -> LogFile:
    """The log with this name."""
    return LogFile(folder(state) / f"{name}.log")


def folder(state: Path) -> Path:
    """The folder that holds the logs."""
    return state / "logs"


def remove(state: Path) -> None:
    """Delete the logs."""
    shutil.rmtree(folder(state), ignore_errors=True)


def relevant(text: str) -> list[str]:
    """Up to SHOWN lines that explain why the command failed: the failed step, or else the last lines of the log."""
    found = list(FAILED_STEP.finditer(text))
    lines = (found[-1][0] if found else text).splitlines()
    kept = [printable(line.rstrip()) for line in lines if line.strip(" -") and not ROUTINE.match(line)]
    return kept[-SHOWN:]


def shown(path: Path) -> str:
    """The path as errors show it: relative to the checkout if it is inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
