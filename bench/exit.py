"""How long from the job's end until the command exits, and whether its exit code is right.

The end of the job is what its last act says: it prints its clock and ends, with 0 or with 1. Both are measured,
and the right verdicts of both ways counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bench.measure import command
from bench.measure.commands import sending
from bench.measure.paired_runs import Setting, alternated, seconds
from bench.measure.statistics import Aim, Comparison, Of


@dataclass(frozen=True, slots=True)
class Exit:
    """Seconds from the job's end to the command's, and whether the exit code was the job's."""

    late: float
    right: bool


def measure(setting: Setting) -> list[Comparison]:
    rows = []
    with sending("end", setting.address) as ways:
        for code, job in ((0, "a job that succeeds"), (1, "a job that fails")):
            setting.say(f"  {job}:")
            ours, stock = alternated(
                setting,
                partial(one, ways.ours(str(code)), code),
                partial(one, ways.stock(str(code)), code),
                shown,
            )
            rows += rows_of(job, ours, stock)
    return rows


def rows_of(job: str, ours: list[Exit], stock: list[Exit]) -> list[Comparison]:
    """The time and the verdicts of one kind of job."""
    late = [[exit.late for exit in way] for way in (ours, stock)]
    right = [[float(exit.right) for exit in way] for way in (ours, stock)]
    return [
        Comparison.of(f"job ends → command exits, {job}", "s", late[0], late[1], Aim(Of.RATIO, 0.15)),
        Comparison.of(f"exit code right, {job}", "right", right[0], right[1], Aim(Of.RIGHT)),
    ]


def one(words: list[str], code: int) -> Exit:
    """Runs a job that is to end with that code."""
    done = command.run(words)
    return Exit(done.ended - float(done.marks[-1].text), done.code == code)


def shown(exit: Exit) -> str:
    return f"{seconds(exit.late)} ({'right' if exit.right else 'WRONG'})"
