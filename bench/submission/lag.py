"""Measures the delay of log lines: a job prints the time five times a second for ten seconds.

Every line counts, including those printed before the command began to follow the log.
"""

from __future__ import annotations

from bench.measure.commands import run_checked, sending
from bench.measure.paired_runs import Setting, alternate
from bench.measure.statistics import Aim, Comparison, Of, Sample, quantile

Lags = tuple[float, ...]


def measure(setting: Setting) -> list[Comparison]:
    """Compare the median and the 99th percentile."""
    with sending("ticks", setting.address) as commands:
        ours, stock = alternate(setting, lambda: lags(commands.ours()), lambda: lags(commands.stock()), shown)
    return [
        Comparison(f"log line lag, p{q * 100:g}", "s", sample(ours, q), sample(stock, q), Aim(Of.RATIO, 0.1))
        for q in (0.5, 0.99)
    ]


def sample(runs: list[Lags], q: float) -> Sample:
    """The lines from all runs, represented by their q-quantile."""
    return Sample(tuple(runs), q)


def lags(words: list[str]) -> Lags:
    """The seconds from print to arrival, for each line."""
    return tuple(line.at - float(line.text) for line in run_checked(words).marks)


def shown(run: Lags) -> str:
    """One run as text."""
    return f"p50 {quantile(run, 0.5):.3f} s, p99 {quantile(run, 0.99):.3f} s of {len(run)} lines"
