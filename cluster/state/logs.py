"""The logs of slow commands and of the processes runtime, in `.raydock/logs`. Errors quote and name them."""

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

SHOWN = 12  # lines of a log that an error quotes
STOP_SECONDS = 20.0  # for a command that is interrupted
TIMED_OUT = 124  # as timeout(1) exits
# BuildKit's report of the step that failed: its output between two lines of dashes, and the error.
FAILED_STEP = re.compile(r"^-{4,}\n > \[.*", re.MULTILINE | re.DOTALL)
# Steps of a build and changes of a container's state, which say nothing about a failure.
ROUTINE = re.compile(
    r"^(?:#\d+ (?:DONE|CACHED|\[|transferring|sha256)| *(?:Container|Network|Volume) \S+ +"
    r"(?:Creat|Recreat|Start|Stopp|Remov|Wait|Healthy|Running|Error))"
)


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log file, which each run of its command overwrites."""

    path: Path

    def run(
        self,
        command: Sequence[str],
        seconds: float,
        on_line: Callable[[str], None],
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command with all its output in the log. Returns its exit code, TIMED_OUT after this many seconds.

        `on_line` gets each line of output. Raises OSError if the command can't be started.
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
        """The error for a command that failed: why, the last relevant lines of its output, and where the rest is."""
        why = "did not finish in time" if code == TIMED_OUT else f"failed with exit code {code}"
        quoted = [f"  | {line}" for line in relevant(self.read())]
        end = ":" if quoted else "."
        return CommandFailed("\n".join([f"{what} {why}{end}", *quoted, self.reference]), fix)

    @property
    def reference(self) -> str:
        """The line of an error that says where the log is."""
        return f"Full log: {shown(self.path)}"

    def open(self) -> IO[bytes]:
        """Open the log for writing, empty and unbuffered, so that it is complete at any time."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open(self.path, "wb", buffering=0)

    def read(self) -> str:
        """The content of the log, or "" if there is none."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


class Deadline:
    """Ends a command and its children after so many seconds, or if its `with` block raises, for example on Ctrl-C."""

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
        """Kill the command, whose time is up."""
        self.passed = True
        self.signal(signal.SIGKILL)

    def interrupt(self) -> None:
        """End the command as Ctrl-C would, which lets Compose finish what it is doing, and kill it if that hangs."""
        self.signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command and its children: `docker` runs Compose as a child, which holds the output."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def named(state: Path, name: str) -> LogFile:
    """The log of that name."""
    return LogFile(folder(state) / f"{name}.log")


def folder(state: Path) -> Path:
    """The folder of the logs."""
    return state / "logs"


def remove(state: Path) -> None:
    """Delete the logs."""
    shutil.rmtree(folder(state), ignore_errors=True)


def relevant(text: str) -> list[str]:
    """The lines of a log that say why its command failed, at most SHOWN: the step that failed, else the last ones."""
    found = list(FAILED_STEP.finditer(text))
    lines = (found[-1][0] if found else text).splitlines()
    kept = [printable(line.rstrip()) for line in lines if line.strip(" -") and not ROUTINE.match(line)]
    return kept[-SHOWN:]


def shown(path: Path) -> str:
    """The path as an error shows it: relative to the checkout if it is inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
