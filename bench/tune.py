"""What Ray Tune adds to 27 short trials, and what sharing the data saves a trial in memory.

The overhead is of jobs/tune_forest.py on two workers, beside the bare sum of the same fits on one CPU of a
worker, halved: what two CPUs would take that had nothing else to do. The memory is that of a trial's process at
its peak, without the pages that it shares with the object store, on the whole of covertype's shape: ours shares
the data, stock (--naive) loads it in each trial, as seed 004 did.
"""

from __future__ import annotations

from bench.lesson_speedup import by_job
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Comparison, Sample

SHORT = ("--rows", 2000, "--trees", 10, 20, 30)
WHOLE = ("--rows", 581_012, "--depths", 5, "--trees", 2, "--alphas", 0, 0.001)
MEMORY_RUNS = 3


def measure(setting: Setting) -> list[Comparison]:
    return [*overhead(setting), memory(setting)]


def overhead(setting: Setting) -> list[Comparison]:
    ours, bare = [], []
    for number in range(setting.pairs):
        told = by_job(setting.address, "tune_forest", *SHORT, "--compare")
        ours.append(float(told["seconds"]["ray"]))
        bare.append(float(told["seconds"]["alone"]) / told["cpus"])
        setting.say(
            f"  run {number + 1} of {setting.pairs}: Tune {ours[-1]:.1f} s, the fits {bare[-1]:.1f} s"
        )
    trials = told["metrics"]["trials"]
    each = [(tune - fits) / trials for tune, fits in zip(ours, bare, strict=True)]
    return [
        Comparison.of(
            f"{trials} short trials: Ray Tune on 2 workers against the bare fits on 2 CPUs", "s", ours, bare
        ),
        Comparison("– what Tune adds to a trial", "s", Sample.of(each)),
    ]


def memory(setting: Setting) -> Comparison:
    peaks: dict[str, list[float]] = {"shared": [], "naive": []}
    for number in range(min(setting.pairs, MEMORY_RUNS)):
        for way, more in (("shared", ()), ("naive", ("--naive",))):
            told = by_job(setting.address, "tune_forest", *WHOLE, *more)
            peaks[way].append(float(told["metrics"]["peak_private_mib"]))
        shown = ", ".join(f"{way} {values[-1]:.0f} MiB" for way, values in peaks.items())
        setting.say(f"  memory, run {number + 1}: {shown}")
    what = "a trial's own memory at its peak, 581,012 x 54: the data shared against --naive"
    return Comparison.of(what, "MiB", peaks["shared"], peaks["naive"])
