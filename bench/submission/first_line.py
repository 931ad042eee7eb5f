"""Measures the time from starting the command until the job's first line is visible, on a warm cluster."""

from __future__ import annotations

from bench.measure.commands import run_checked, sending
from bench.measure.paired_runs import Setting, alternate, seconds
from bench.measure.statistics import Aim, Comparison, Of


def measure(setting: Setting) -> list[Comparison]:
    """Compare submit.py with `ray job submit`."""
    with sending("marker", setting.address) as commands:
        ours, stock = alternate(
            setting, lambda: until_first(commands.ours()), lambda: until_first(commands.stock()), seconds
        )
    what = "submit → job's first line visible, warm cluster"
    return [Comparison.of(what, "s", ours, stock, Aim(Of.RATIO, 0.5))]


def until_first(words: list[str]) -> float:
    """The seconds from starting the command until the job's first line arrives."""
    done = run_checked(words)
    return done.marks[0].at - done.started
