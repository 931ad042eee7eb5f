"""Ray Train's XGBoost on two workers beside `xgb.train` in one process with the same two threads.

Both train on the same rows, with the same parameters and rounds: jobs/make_data.py writes them, train_xgboost.py
reads its share from the bucket, this process all of it from a folder. What is timed is the training: reading the
rows is in neither; the checkpoints that Ray Train writes into the bucket are in ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from bench.lesson_speedup import by_job, module_of
from bench.measure.command import ROOT, Unexpected
from bench.measure.paired_runs import Setting, alternated, seconds
from bench.measure.statistics import Aim, Comparison, Of

ROWS, ROUNDS, THREADS = 1_000_000, 50, 2
EVERY = 10  # rounds: a checkpoint of a long training, as one would have it
DEADLINE = 900.0
AIM = Aim(Of.RATIO, 1.25)


def measure(setting: Setting) -> list[Comparison]:
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        by_job(setting.address, "make_data", "--rows", ROWS)

        def ours() -> float:
            told = by_job(setting.address, "train_xgboost", "--rounds", ROUNDS, "--checkpoint-every", EVERY)
            return float(told["metrics"]["train_seconds"])

        taken = alternated(setting, ours, lambda: stock(folder), seconds)
    what = f"training XGBoost, {ROWS:,} rows, {ROUNDS} rounds: Ray Train on 2 workers against xgb.train with 2 threads"
    return [Comparison.of(what, "s", *taken, AIM)]


def stock(folder: str) -> float:
    """Seconds of `xgb.train`, in a Python of its own; the rows are made there once, for all runs."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.train", folder],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        raise Unexpected(f"xgb.train ended with {done.returncode}.", done.stderr)
    return float(done.stdout.split()[-1])


def here(folder: str) -> float:
    """Seconds of `xgb.train` in this process."""
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
    """Those that the job trains with: all numbers but the row's own, the label last."""
    import pyarrow
    from pyarrow import parquet

    kinds = pyarrow.types
    numbers = [
        one.name
        for one in parquet.read_schema(path)
        if kinds.is_integer(one.type) or kinds.is_floating(one.type)
    ]
    return [name for name in numbers if name not in ("id", "type")] + ["type"]


if __name__ == "__main__":
    print(here(sys.argv[1]))
