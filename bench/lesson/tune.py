"""Measures Ray Tune's overhead for 27 short trials, and how much memory each trial saves by sharing the data.

The overhead is measured by comparing jobs/tune_forest.py on two workers with half of the total time that the same fits
take on one of a worker's CPUs, which is how long two otherwise idle CPUs would take. The memory is the peak private
memory of a trial's process (without pages shared with the object store), on data with the full shape of covertype. Ours
shares the data, and stock (--naive) loads it in every trial.
"""

from __future__ import annotations

from bench.lesson.speedup import by_job
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Aim, Comparison, Of, Sample

SHORT = ("--rows", 2000, "--trees", 10, 20, 30)
WHOLE = ("--rows", 581_012, "--depths", 5, "--trees", 2, "--alphas", 0, 0.001)
MEMORY_RUNS = 3


def measure(setting: Setting) -> list[Comparison]:
    """Measure the overhead and the memory."""
    return [*overhead(setting), memory(setting)]


def overhead(setting: Setting) -> list[Comparison]:
    """Compare Ray Tune with the fits alone."""
    ours, bare = [], []
    for number in range(setting.pairs):
        result = by_job(setting.address, "tune_forest", *SHORT, "--compare")
        ours.append(float(result["seconds"]["ray"]))
        bare.append(float(result["seconds"]["alone"]) / result["cpus"])
        setting.say(
            f"  run {number + 1} of {setting.pairs}: Tune {ours[-1]:.1f} s, the fits alone {bare[-1]:.1f} s"
        )
    trials = result["metrics"]["trials"]
    each = [(tune - fits) / trials for tune, fits in zip(ours, bare, strict=True)]
    return [
        Comparison.of(
            f"{trials} short trials: Ray Tune on 2 workers vs. the fits alone on 2 CPUs", "s", ours, bare
        ),
        Comparison("– Tune's overhead per trial", "s", Sample.of(each), aim=Aim(Of.OURS, 0.25)),
    ]


def memory(setting: Setting) -> Comparison:
    """Compare the peak private memory per trial, in MiB."""
    peaks: dict[str, list[float]] = {"shared": [], "naive": []}
    for number in range(min(setting.pairs, MEMORY_RUNS)):
        for variant, more in (("shared", ()), ("naive", ("--naive",))):
            result = by_job(setting.address, "tune_forest", *WHOLE, *more)
            peaks[variant].append(float(result["metrics"]["peak_private_mib"]))
        shown = ", ".join(f"{variant} {values[-1]:.0f} MiB" for variant, values in peaks.items())
        setting.say(f"  memory, run {number + 1}: {shown}")
    what = "peak private memory per trial, 581,012 x 54: shared data vs. --naive"
    return Comparison.of(what, "MiB", peaks["shared"], peaks["naive"])
