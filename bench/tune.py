"""The overhead that Ray Tune adds to 27 short trials, and the memory that sharing the data saves per trial.

Overhead: jobs/tune_forest.py on two workers, against half the total time of the same fits on one CPU of a worker, which
is what two otherwise idle CPUs would take. Memory: the peak private memory of a trial's process (without pages shared
with the object store), on data with the full shape of covertype. Ours shares the data; stock (--naive) loads it in
every trial.
"""

from __future__ import annotations

from bench.lesson.speedup import by_job
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Comparison, Sample

SHORT = ("--rows", 2000, "--trees", 10, 20, 30)
WHOLE = ("--rows", 581_012, "--depths", 5, "--trees", 2, "--alphas", 0, 0.001)
MEMORY_RUNS = 3


def measure(setting: Setting) -> list[Comparison]:
    """Measure overhead and memory."""
    return [*overhead(setting), memory(setting)]


def overhead(setting: Setting) -> list[Comparison]:
    """Compare Ray Tune with the bare fits."""
    ours, bare = [], []
    for number in range(setting.pairs):
        result = by_job(setting.address, "tune_forest", *SHORT, "--compare")
        ours.append(float(result["seconds"]["ray"]))
        bare.append(float(result["seconds"]["alone"]) / result["cpus"])
        setting.say(
            f"  run {number + 1} of {setting.pairs}: Tune {ours[-1]:.1f} s, the fits {bare[-1]:.1f} s"
        )
    trials = result["metrics"]["trials"]
    each = [(tune - fits) / trials for tune, fits in zip(ours, bare, strict=True)]
    return [
        Comparison.of(
            f"{trials} short trials: Ray Tune on 2 workers against the bare fits on 2 CPUs", "s", ours, bare
        ),
        Comparison("– what Tune adds to a trial", "s", Sample.of(each)),
    ]


def memory(setting: Setting) -> Comparison:
    """Compare the peak private memory of a trial, in MiB."""
    peaks: dict[str, list[float]] = {"shared": [], "naive": []}
    for number in range(min(setting.pairs, MEMORY_RUNS)):
        for variant, more in (("shared", ()), ("naive", ("--naive",))):
            result = by_job(setting.address, "tune_forest", *WHOLE, *more)
            peaks[variant].append(float(result["metrics"]["peak_private_mib"]))
        shown = ", ".join(f"{variant} {values[-1]:.0f} MiB" for variant, values in peaks.items())
        setting.say(f"  memory, run {number + 1}: {shown}")
    what = "peak private memory of a trial, 581,012 x 54: shared data against --naive"
    return Comparison.of(what, "MiB", peaks["shared"], peaks["naive"])
