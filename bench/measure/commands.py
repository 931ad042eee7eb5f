"""The two ways of sending a job of `bench/jobs`: submit.py, and Ray's own `ray job submit`.

Each way sends the one script and nothing else: ours finds what the script imports (nothing), stock gets a folder
that holds only the script.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import command
from bench.measure.command import Ran, Unexpected
from raydock.errors import RaydockError
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job
from submit.targets import open_target

JOBS = Path(__file__).resolve().parents[1] / "jobs"


@dataclass(frozen=True, slots=True)
class Commands:
    """Both ways of sending one job script, alone in its folder, to one cluster."""

    script: Path
    address: str

    def ours(self, *arguments: str) -> list[str]:
        return command.ours("--address", self.address, self.script, "--", *arguments)

    def stock(self, *arguments: str) -> list[str]:
        where = ("--address", self.address, "--working-dir", self.script.parent)
        return command.stock(*where, "--", "python", self.script.name, *arguments)


@contextmanager
def sending(job: str, address: str) -> Iterator[Commands]:
    """The ways for `bench/jobs/JOB.py`."""
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        yield Commands(Path(shutil.copy(JOBS / f"{job}.py", folder)), address)


def ran(words: list[str], code: int = 0) -> Ran:
    """Runs a command that has to end with that exit code."""
    done = command.run(words)
    if done.code != code:
        output = b"".join(piece.data for piece in done.pieces) + done.err
        raise Unexpected(f"{words[1]} ended with {done.code}, not with {code}.", output)
    return done


def wait_until_idle(address: str, deadline: float = 60) -> None:
    """Returns when no job runs on the cluster. Raises Unexpected where one still does at the deadline (seconds)."""
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        if all(job.terminal for job in asyncio.run(jobs(address))):
            return
        time.sleep(0.2)
    raise Unexpected(f"A job is still running after {deadline:g} s.")


async def jobs(address: str) -> list[Job]:
    """All submissions to the cluster. Raises Unexpected where it does not tell them."""
    try:
        async with Dashboard(open_target("local", address)) as dashboard:
            return await dashboard.jobs()
    except RaydockError as fault:
        raise Unexpected(f"{fault.message}\n      → {fault.fix}") from None
