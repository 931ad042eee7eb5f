"""How long from the start of the command until the first line of the job can be seen, on a warm cluster."""

from __future__ import annotations

from bench.measure.commands import ran, sending
from bench.measure.paired_runs import Setting, alternated, seconds
from bench.measure.statistics import Aim, Comparison, Of


def measure(setting: Setting) -> list[Comparison]:
    with sending("marker", setting.address) as ways:
        ours, stock = alternated(
            setting, lambda: until_first(ways.ours()), lambda: until_first(ways.stock()), seconds
        )
    what = "submit → first line of the job visible, warm"
    return [Comparison.of(what, "s", ours, stock, Aim(Of.RATIO, 0.5))]


def until_first(words: list[str]) -> float:
    """Seconds from the start of the command to the arrival of the job's first line."""
    done = ran(words)
    return done.marks[0].at - done.started
