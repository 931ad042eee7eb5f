"""The two commands that submit a job from `bench/jobs`: submit.py (ours) and `ray job submit` (stock).

Both submit only the script. Ours looks for local imports, but there are none, and stock gets a folder that contains
nothing else.
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
from bench.measure.command import CompletedCommand, Unexpected
from raydock.errors import RaydockError
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job
from submit.targets import open_target

JOBS = Path(__file__).resolve().parents[1] / "jobs"


@dataclass(frozen=True, slots=True)
class Commands:
    """Both commands, for one cluster and one job script, which is alone in its folder."""

    script: Path
    address: str

    def ours(self, *arguments: str) -> list[str]:
        """The submit.py command. `arguments` are passed to the job."""
        return command.ours("--address", self.address, self.script, "--", *arguments)

    def stock(self, *arguments: str) -> list[str]:
        """The `ray job submit` command. `arguments` are passed to the job."""
        options = ("--address", self.address, "--working-dir", self.script.parent)
        return command.stock(*options, "--", "python", self.script.name, *arguments)


@contextmanager
def sending(job: str, address: str) -> Iterator[Commands]:
    """The commands that submit `bench/jobs/JOB.py`."""
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        yield Commands(Path(shutil.copy(JOBS / f"{job}.py", folder)), address)


def run_checked(words: list[str], code: int = 0) -> CompletedCommand:
    """Run a command. Raises Unexpected if it exits with a different code."""
    done = command.run(words)
    if done.code != code:
        output = b"".join(piece.data for piece in done.pieces) + done.err
        raise Unexpected(f"{words[1]} exited with code {done.code}; expected {code}.", output)
    return done


def wait_until_idle(address: str, deadline: float = 60) -> None:
    """Wait until no job is running on the cluster. Raises Unexpected if one still is after `deadline` seconds."""
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        if all(job.terminal for job in asyncio.run(jobs(address))):
            return
        time.sleep(0.2)
    raise Unexpected(f"A job is still running after {deadline:g} s.")


async def jobs(address: str) -> list[Job]:
    """The cluster's submissions. Raises Unexpected if they can't be listed."""
    try:
        async with Dashboard(open_target("local", address)) as dashboard:
            return await dashboard.jobs()
    except RaydockError as fault:
        raise Unexpected(f"{fault.message}\n      → {fault.fix}") from None
