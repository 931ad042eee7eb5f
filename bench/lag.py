"""How late a line of the job's log is seen: a job prints its clock five times a second for ten seconds.

Every line counts, also those that were printed before the command had begun to follow.
"""

from __future__ import annotations

from bench.measure.commands import ran, sending
from bench.measure.paired_runs import Setting, alternated
from bench.measure.statistics import Aim, Comparison, Of, Sample, quantile

Lags = tuple[float, ...]


def measure(setting: Setting) -> list[Comparison]:
    with sending("ticks", setting.address) as ways:
        ours, stock = alternated(setting, lambda: lags(ways.ours()), lambda: lags(ways.stock()), shown)
    return [
        Comparison(
            f"lag of a log line, p{q * 100:g}", "s", sample(ours, q), sample(stock, q), Aim(Of.RATIO, 0.1)
        )
        for q in (0.5, 0.99)
    ]


def sample(runs: list[Lags], q: float) -> Sample:
    """All lines of all runs."""
    return Sample(tuple(runs), q)


def lags(words: list[str]) -> Lags:
    """Seconds from the printing of each line to its arrival."""
    return tuple(line.at - float(line.text) for line in ran(words).marks)


def shown(run: Lags) -> str:
    return f"p50 {quantile(run, 0.5):.3f} s, p99 {quantile(run, 0.99):.3f} s of {len(run)} lines"
