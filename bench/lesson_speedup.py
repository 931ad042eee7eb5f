"""Lessons on the cluster's workers, beside one process and joblib's own loky with two.

All three ways run the plain function of the lesson's own script: the same models and data, one thread a process.
A round takes each way once, in turns; beside them, in the same round, what two processes that only compute gain
over one on this machine: where they do not gain 2×, nothing else can either.

What is timed is the work, with the start of the processes that share it: Ray's workers and loky's alike are new
in each run, and import scikit-learn. The submission of the job is not in it (see first_line and exit).

    python -m bench.lesson_speedup forest_sweep --address http://127.0.0.1:8265 --json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from bench.measure import command
from bench.measure.command import ROOT, Unexpected
from bench.measure.commands import wait_until_idle
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Aim, Comparison, Of

DEADLINE = 600.0  # seconds for one search
SPINS = 20_000_000  # additions, about a second of one CPU
AS_LOKY = Aim(Of.RATIO, round(1 / 0.95, 3))
WAYS = ("ray", "loky", "sequential")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Case:
    """A lesson: the flag that sets its size, and its plain function by joblib's own means."""

    flag: str
    size: int
    about: str
    work: Callable[[ModuleType, int, int], object]  # of the script as a module, the size, and n_jobs
    aim: Aim | None = None


def search(lesson: ModuleType, candidates: int, jobs: int) -> object:
    return lesson.search(candidates)  # scikit-learn itself asks joblib


def forests(lesson: ModuleType, count: int, jobs: int) -> object:
    from joblib import Parallel, delayed

    data = lesson.load("synthetic", "")
    sizes = [8 + 4 * number for number in reversed(range(count))]  # the largest first, as the lesson
    return Parallel(jobs)(delayed(lesson.mse_of_forest)(*data, trees) for trees in sizes)


def folds(lesson: ModuleType, models: int, jobs: int) -> object:
    from joblib import Parallel, delayed

    X, y = lesson.load_iris(return_X_y=True)
    one = delayed(lesson.accuracy_of_fold)
    return Parallel(jobs)(one(X, y, *fold, models) for fold in lesson.FOLDS.split(X, y))


# Sizes of 20 to 80 s of one CPU (the forests are the seed's): the start of a process that imports scikit-learn
# takes 2 of them.
CASES = {
    "sklearn_joblib": Case("--n-iter", 40, "40 candidates", search),
    "forest_sweep": Case("--forests", 20, "20 forests", forests, AS_LOKY),
    "kfold_cv": Case("--models", 6000, "5 folds of 6,000 models", folds, AS_LOKY),
}


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of each way, and of the calibration: twice the work in one process, and in two side by side."""

    ray: float
    loky: float
    sequential: float
    one_process: float
    two_processes: float


def measure(setting: Setting) -> list[Comparison]:
    return [row for name in CASES for row in rows_of(name, rounds(setting, name))]


def rounds(setting: Setting, name: str) -> list[Round]:
    """The rounds, each beginning with another way."""
    taken = []
    for number in range(setting.pairs):
        wait_until_idle(setting.address)
        one, two = calibration()
        order = [WAYS[(number + place) % len(WAYS)] for place in range(len(WAYS))]
        took = {way: timed(way, name, setting.address) for way in order}
        taken.append(Round(**took, one_process=one, two_processes=two))
        shown = ", ".join(f"{way} {took[way]:.1f} s" for way in order)
        gain = f"two processes gain {one / two:.2f}x"
        setting.say(f"  {name}, round {number + 1} of {setting.pairs}: {shown}; {gain}")
    return taken


def rows_of(name: str, taken: Sequence[Round]) -> list[Comparison]:
    """Ours is Ray, in the calibration two processes; a ratio under 1 is a gain."""
    ray = [round.ray for round in taken]
    what = f"{name}, {CASES[name].about}, on 2 workers against"
    one, two = [round.one_process for round in taken], [round.two_processes for round in taken]
    return [
        Comparison.of(f"{what} one process", "s", ray, [round.sequential for round in taken]),
        Comparison.of(
            f"{what} loky with 2 processes", "s", ray, [round.loky for round in taken], CASES[name].aim
        ),
        Comparison.of("– calibration: pure computing in two processes against one", "s", two, one),
    ]


def timed(way: str, name: str, address: str) -> float:
    """Seconds of the lesson's work."""
    return by_ray(name, address) if way == "ray" else by_this_machine(way, name)


def by_ray(name: str, address: str) -> float:
    """Sends the job and takes the seconds from its result."""
    told = by_job(address, name, CASES[name].flag, CASES[name].size)
    return float(told["seconds"]["ray"])


def by_job(address: str, name: str, *arguments: object) -> dict[str, Any]:
    """The result of a job of jobs/. Raises Unexpected where it fails, or no worker did the work."""
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        path, script = Path(folder, "result.json"), ROOT / "jobs" / f"{name}.py"
        # By an address nobody knows who the job runs as, so its storage can't be checked before.
        own = ("--address", address, "--skip-check", "--result", path)
        done = command.run(command.ours(*own, script, "--", *arguments), DEADLINE)
        if done.code:
            raise Unexpected(f"The job {name} ended with {done.code}.", done.err)
        result: dict[str, Any] = json.loads(path.read_text())
    if not result["nodes"]:
        raise Unexpected(f"The result of {name} names no node that did work.")
    return result


def module_of(name: str) -> ModuleType:
    """A job's script as a module. It is not in sys.modules, so what is sent of it to a process is sent whole."""
    spec = importlib.util.spec_from_file_location("lesson", ROOT / "jobs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    lesson = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lesson)
    return lesson


def by_this_machine(way: str, name: str) -> float:
    """Runs the work in a Python of its own, with joblib's own means."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.lesson_speedup", name, "--here", way],
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        raise Unexpected(f"{name} by {way} ended with {done.returncode}.", done.stderr)
    return float(done.stdout.split()[-1])


def here(way: str, name: str) -> float:
    """Seconds of the lesson's plain function in this process, or in two more."""
    import joblib

    lesson = module_of(name)
    jobs = 2 if way == "loky" else 1
    start = time.perf_counter()
    with joblib.parallel_backend(way, n_jobs=jobs):
        CASES[name].work(lesson, CASES[name].size, jobs)
    return time.perf_counter() - start


def calibration() -> tuple[float, float]:
    """Seconds of two equal computations: one after the other, and side by side in two processes."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        list(processes.map(spin, [SPINS // 10] * 4))  # both processes are up
        start = time.perf_counter()
        spin(SPINS)
        spin(SPINS)
        middle = time.perf_counter()
        list(processes.map(spin, [SPINS] * 2))
        return middle - start, time.perf_counter() - middle


def spin(count: int) -> int:
    """Computes, and touches no memory to speak of."""
    total = 0
    for number in range(count):
        total += number
    return total


def as_dict(row: Comparison) -> dict[str, Any]:
    """A row for programs; the values are medians."""
    stock = row.stock.value if row.stock else None
    return {
        "what": row.what,
        "ours": row.ours.value,
        "stock": stock,
        "ratio": row.ratio,
        "n": len(row.ours.runs),
        "unit": row.unit,
    }


def main(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    if options.here:
        print(here(options.here, options.lesson))
        return 0
    setting = Setting(options.address, options.rounds, lambda line: print(line, file=sys.stderr, flush=True))
    try:
        rows = [as_dict(row) for row in rows_of(options.lesson, rounds(setting, options.lesson))]
    except Unexpected as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(f"{row['ours']:8.2f} s {row['stock']:8.2f} s  ratio {row['ratio']:.2f}  {row['what']}")
    return 0


def parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(prog="python -m bench.lesson_speedup", allow_abbrev=False)
    own.add_argument("--address", default="http://127.0.0.1:8265", metavar="URL", help="the dashboard")
    own.add_argument("lesson", choices=CASES)
    own.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of all three ways (3)")
    own.add_argument("--json", action="store_true", help="for programs")
    own.add_argument("--here", choices=WAYS[1:], help=argparse.SUPPRESS)
    return own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
