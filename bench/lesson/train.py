"""Compares XGBoost with Ray Train on two workers with `xgb.train` in one process with two threads.

Both train on the same rows with the same parameters and number of rounds. jobs/make_data.py writes the rows. In
train_xgboost.py, each worker reads its share from the bucket, and `xgb.train` reads all of them from a folder. Only the
training is timed, which includes the checkpoints that Ray Train writes to the bucket but not reading the rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from bench.lesson.speedup import by_job, module_of
from bench.measure.command import ROOT, Unexpected
from bench.measure.paired_runs import Setting, alternate, seconds
from bench.measure.statistics import Aim, Comparison, Of

ROWS, ROUNDS, THREADS = 1_000_000, 50, 2
CHECKPOINT_EVERY = 10  # rounds, a typical value for long training runs
DEADLINE = 900.0  # seconds
AIM = Aim(Of.RATIO, 1.25)


def measure(setting: Setting) -> list[Comparison]:
    """Compare the training durations."""
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        by_job(setting.address, "make_data", "--rows", ROWS)

        def ours() -> float:
            arguments = ("--rounds", ROUNDS, "--checkpoint-every", CHECKPOINT_EVERY)
            result = by_job(setting.address, "train_xgboost", *arguments)
            return float(result["metrics"]["train_seconds"])

        taken = alternate(setting, ours, lambda: stock(folder), seconds)
    what = f"XGBoost training, {ROWS:,} rows, {ROUNDS} rounds: Ray Train on 2 workers vs. xgb.train with 2 threads"
    return [Comparison.of(what, "s", *taken, AIM)]


def stock(folder: str) -> float:
    """Run `xgb.train` in a new Python process and return the seconds it took. The first run also creates the rows."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.lesson.train", folder],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        raise Unexpected(f"xgb.train exited with code {done.returncode}.", done.stderr)
    return float(done.stdout.split()[-1])


def here(folder: str) -> float:
    """Run `xgb.train` in this process and return the seconds it took."""
    from pyarrow import parquet

    data, lesson = module_of("make_data"), module_of("train_xgboost")
    for part in range(data.PARTS):
        path = f"{folder}/part-{part}.parquet"
        if not os.path.exists(path):
            parquet.write_table(data.part_of_data(part, ROWS), path)
    config = {"data": folder, "columns": columns(f"{folder}/part-0.parquet"), "rounds": ROUNDS}
    config["params"] = lesson.PARAMS | {"nthread": THREADS}
    rows = lesson.matrices(config)
    start = time.perf_counter()
    lesson.train(config, *rows)
    return time.perf_counter() - start


def columns(path: str) -> list[str]:
    """The columns that the job trains on: all numeric ones except the row id. The label is last."""
    import pyarrow
    from pyarrow import parquet

    types = pyarrow.types
    numbers = [
        column.name
        for column in parquet.read_schema(path)
        if types.is_integer(column.type) or types.is_floating(column.type)
    ]
    return [name for name in numbers if name not in ("id", "type")] + ["type"]


if __name__ == "__main__":
    print(here(sys.argv[1]))
