"""Measures the time from when the job finishes until the command exits, and whether the exit code is correct.

As its last action, the job prints the time and exits with 0 or 1. Both cases are measured, and the correct exit codes
are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bench.measure import command
from bench.measure.commands import sending
from bench.measure.paired_runs import Setting, alternate, seconds
from bench.measure.statistics import Aim, Comparison, Of


@dataclass(frozen=True, slots=True)
class Exit:
    """The seconds from when the job finished until the command exited, and whether the exit codes match."""

    late: float
    right: bool


def measure(setting: Setting) -> list[Comparison]:
    """Measure a job that succeeds and one that fails."""
    rows = []
    with sending("end", setting.address) as commands:
        for code, job in ((0, "successful job"), (1, "failing job")):
            setting.say(f"  {job}:")
            ours, stock = alternate(
                setting,
                partial(run_job, commands.ours(str(code)), code),
                partial(run_job, commands.stock(str(code)), code),
                shown,
            )
            rows += rows_of(job, ours, stock)
    return rows


def rows_of(job: str, ours: list[Exit], stock: list[Exit]) -> list[Comparison]:
    """The rows for one job: time to exit, and correct exit codes."""
    late = [[exit.late for exit in exits] for exits in (ours, stock)]
    right = [[float(exit.right) for exit in exits] for exits in (ours, stock)]
    return [
        Comparison.of(f"job finishes → command exits, {job}", "s", late[0], late[1], Aim(Of.RATIO, 0.15)),
        Comparison.of(f"correct exit code, {job}", "right", right[0], right[1], Aim(Of.RIGHT)),
    ]


def run_job(words: list[str], code: int) -> Exit:
    """Run a job that exits with `code`."""
    done = command.run(words)
    return Exit(done.ended - float(done.marks[-1].text), done.code == code)


def shown(exit: Exit) -> str:
    """One result as text."""
    return f"{seconds(exit.late)} ({'right' if exit.right else 'WRONG'})"
