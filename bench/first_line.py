"""The time from the start of the command until the job's first line is visible, on a warm cluster."""

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
    what = "submit → first line of the job visible, warm"
    return [Comparison.of(what, "s", ours, stock, Aim(Of.RATIO, 0.5))]


def until_first(words: list[str]) -> float:
    """Seconds from the start of the command to the arrival of the job's first line."""
    done = run_checked(words)
    return done.marks[0].at - done.started
