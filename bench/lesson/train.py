"""Compares XGBoost with Ray Train on two workers with `xgb.train` in one process with two threads.

All train on the same rows with the same parameters and number of rounds. jobs/make_data.py writes the rows. In
train_xgboost.py, each worker reads its share from the bucket, and the others read them from a folder. Only the training
is timed, which includes the checkpoints that Ray Train writes to the bucket but not reading the rows.

Two plain processes that use XGBoost's own tracker, without Ray, show how much of the difference is XGBoost's.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from bench.lesson.speedup import by_job, module_of
from bench.measure.command import ROOT, Unexpected
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Aim, Comparison, Of

ROWS, ROUNDS, TWO = 2_000_000, 50, 2
CHECKPOINT_EVERY = 10  # rounds, a typical value for long training runs
DEADLINE = 900.0  # seconds
AIM = Aim(Of.RATIO, 1.15)
WAYS = ("ray", "processes", "threads")


def measure(setting: Setting) -> list[Comparison]:
    """Compare the training durations. Each round starts with a different way."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        by_job(setting.address, "make_data", "--rows", ROWS)
        for number in range(setting.pairs):
            order = [WAYS[(number + place) % len(WAYS)] for place in range(len(WAYS))]
            for way in order:
                taken[way].append(by_ray(setting.address) if way == "ray" else without_ray(folder, way))
            shown = ", ".join(f"{way} {taken[way][-1]:.2f} s" for way in order)
            setting.say(f"  round {number + 1} of {setting.pairs}: {shown}")
    work, threads = f"XGBoost training, {ROWS:,} rows, {ROUNDS} rounds:", "vs. xgb.train with 2 threads"
    return [
        Comparison.of(f"{work} Ray Train on 2 workers {threads}", "s", taken["ray"], taken["threads"], AIM),
        Comparison.of("– the same vs. two processes without Ray", "s", taken["ray"], taken["processes"]),
        Comparison.of(f"– two processes without Ray {threads}", "s", taken["processes"], taken["threads"]),
    ]


def by_ray(address: str) -> float:
    """Run the job and return the seconds that the training took."""
    result = by_job(address, "train_xgboost", "--rounds", ROUNDS, "--checkpoint-every", CHECKPOINT_EVERY)
    return float(result["metrics"]["train_seconds"])


def without_ray(folder: str, way: str) -> float:
    """Train in a new Python process and return the seconds it took. The first run also creates the rows."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.lesson.train", folder, way],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        raise Unexpected(f"xgb.train exited with code {done.returncode}.", done.stderr)
    return float(done.stdout.split()[-1])


def here(folder: str, way: str) -> float:
    """Train with two threads or two processes, and return the seconds it took."""
    from pyarrow import parquet

    data, lesson = module_of("make_data"), module_of("train_xgboost")
    for part in range(data.PARTS):
        path = f"{folder}/part-{part}.parquet"
        if not os.path.exists(path):
            parquet.write_table(data.part_of_data(part, ROWS), path)
    config = {"data": folder, "columns": columns(f"{folder}/part-0.parquet"), "rounds": ROUNDS}
    if way == "threads":
        return train(lesson, config | {"params": lesson.PARAMS | {"nthread": TWO}})
    return in_processes(config | {"params": lesson.PARAMS})


def train(lesson: ModuleType, config: dict[str, Any], rank: int = 0, workers: int = 1) -> float:
    """Read a worker's rows, train, and return the seconds that the training took."""
    rows = lesson.matrices(config, rank, workers)
    start = time.perf_counter()
    lesson.train(config, *rows)
    return time.perf_counter() - start


def in_processes(config: dict[str, Any]) -> float:
    """Train in two processes, and return the seconds of the slower one."""
    from xgboost import RabitTracker

    tracker = RabitTracker(n_workers=TWO, host_ip="127.0.0.1", sortby="task")
    tracker.start()
    threading.Thread(target=tracker.wait_for, daemon=True).start()
    arguments = [(config, rank, tracker.worker_args()) for rank in range(TWO)]
    with multiprocessing.get_context("spawn").Pool(TWO) as processes:
        return max(processes.starmap(in_process, arguments, chunksize=1))


def in_process(config: dict[str, Any], rank: int, tracker: dict[str, Any]) -> float:
    """Train on one process's share of the rows."""
    from xgboost.collective import CommunicatorContext

    lesson = module_of("train_xgboost")
    with CommunicatorContext(**tracker, dmlc_task_id=str(rank)):
        return train(lesson, config, rank, TWO)


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
    print(here(*sys.argv[1:]))
