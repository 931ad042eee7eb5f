"""Measures how long the Ray Data lessons take until they read their first row, on a warm cluster.

The clock starts when the job's driver has connected to Ray, and stops when a worker starts to predict its first file or
to write the rows that it has read. In between are the driver's checks, Ray Data's plan and the start of the workers.
"""

from __future__ import annotations

from bench.lesson.speedup import by_job
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Aim, Comparison, Of, Sample

LESSONS = ("csv_to_parquet", "batch_predict")
AIM = Aim(Of.OURS, 3.0)


def measure(setting: Setting) -> list[Comparison]:
    """Measure both lessons with the default data. The first run of each is not counted."""
    by_job(setting.address, "make_data")
    by_job(setting.address, "train_xgboost", "--smoke-test")
    return [of_lesson(setting, name) for name in LESSONS]


def of_lesson(setting: Setting, name: str) -> Comparison:
    """The row of one lesson."""
    taken: list[float] = []
    for number in range(setting.pairs + 1):
        metrics = by_job(setting.address, name)["metrics"]
        taken.append(float(metrics["first_row_seconds"]))
        setting.say(f"  {name}, run {number} of {setting.pairs}: {taken[-1]:.2f} s")
    return Comparison(f"{name}: time before the first row", "s", Sample.of(taken[1:]), aim=AIM)
