"""Compares lessons on the cluster's workers with one process, and with joblib's loky backend and two processes.

All three backends run the plain function from the lesson's script, with the same models and data and one thread per
process. Each round runs every backend once, in rotating order. It also measures how much faster two compute-bound
processes are than one on this machine. If they are less than twice as fast, no lesson can be twice as fast either.

The timings include starting the processes: Ray's and loky's workers are new in every run and import scikit-learn. They
do not include submitting the job, which first_line and exit measure.

    python -m bench.lesson.speedup forest_sweep --address http://127.0.0.1:8265 --json
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
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from bench.lesson.workloads import CASES
from bench.measure import command
from bench.measure.command import ROOT, Unexpected
from bench.measure.commands import wait_until_idle
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Comparison

DEADLINE = 600.0  # seconds that one run may take
SPINS = 20_000_000  # additions, which take about a second on one CPU
BACKENDS = ("ray", "loky", "sequential")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Round:
    """The seconds each backend took, and the calibration: two computations in one process, and in two processes."""

    ray: float
    loky: float
    sequential: float
    one_process: float
    two_processes: float


def measure(setting: Setting) -> list[Comparison]:
    """Measure every lesson."""
    return [row for name in CASES for row in rows_of(name, rounds(setting, name))]


def rounds(setting: Setting, name: str) -> list[Round]:
    """Run the rounds. Each starts with a different backend."""
    taken = []
    for number in range(setting.pairs):
        wait_until_idle(setting.address)
        one, two = calibration()
        order = [BACKENDS[(number + place) % len(BACKENDS)] for place in range(len(BACKENDS))]
        took = {backend: timed(backend, name, setting.address) for backend in order}
        taken.append(Round(**took, one_process=one, two_processes=two))
        shown = ", ".join(f"{backend} {took[backend]:.1f} s" for backend in order)
        gain = f"two processes are {one / two:.2f}x as fast as one"
        setting.say(f"  {name}, round {number + 1} of {setting.pairs}: {shown}; {gain}")
    return taken


def rows_of(name: str, taken: Sequence[Round]) -> list[Comparison]:
    """The rows for one lesson. Ours is Ray or, in the calibration, two processes. A ratio below 1 is a speed-up."""
    ray = [round.ray for round in taken]
    what = f"{name}, {CASES[name].about}, on 2 workers vs."
    one, two = [round.one_process for round in taken], [round.two_processes for round in taken]
    return [
        Comparison.of(f"{what} one process", "s", ray, [round.sequential for round in taken]),
        Comparison.of(
            f"{what} loky with 2 processes", "s", ray, [round.loky for round in taken], CASES[name].aim
        ),
        Comparison.of("– calibration: pure computation in two processes vs. one", "s", two, one),
    ]


def timed(backend: str, name: str, address: str) -> float:
    """The duration of the lesson's work in seconds."""
    return by_ray(name, address) if backend == "ray" else by_this_machine(backend, name)


def by_ray(name: str, address: str) -> float:
    """Submit the job and return the seconds that its result reports."""
    case = CASES[name]
    result = by_job(address, name, case.flag, case.size, *case.more)
    return float(result["seconds"]["ray"])


def by_job(address: str, name: str, *arguments: object) -> dict[str, Any]:
    """Run jobs/NAME.py and return its result. Raises Unexpected if it fails, or if no worker took part."""
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        path, script = Path(folder, "result.json"), ROOT / "jobs" / f"{name}.py"
        # With --address, submit.py does not know which identity the job runs as, so it can't check its permissions.
        own = ("--address", address, "--skip-check", "--result", path)
        done = command.run(command.ours(*own, script, "--", *arguments), DEADLINE)
        if done.code:
            raise Unexpected(f"The job {name} failed: submit.py exited with code {done.code}.", done.err)
        result: dict[str, Any] = json.loads(path.read_text())
    if not result["nodes"]:
        raise Unexpected(f"According to the result of {name}, no node did any work.")
    return result


def module_of(name: str) -> ModuleType:
    """Import a job script without adding it to sys.modules, so that its functions are pickled by value."""
    spec = importlib.util.spec_from_file_location("lesson", ROOT / "jobs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    lesson = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "jobs"))  # as for `python jobs/x.py`
    spec.loader.exec_module(lesson)
    return lesson


def by_this_machine(backend: str, name: str) -> float:
    """Run the work with a joblib backend in a new Python process. Returns the seconds it took."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.lesson.speedup", name, "--here", backend],
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        raise Unexpected(f"{name} with {backend} exited with code {done.returncode}.", done.stderr)
    return float(done.stdout.split()[-1])


def here(backend: str, name: str) -> float:
    """Run the lesson's work in this process or, with loky, in two child processes. Returns the seconds it took."""
    import joblib

    lesson = module_of(name)
    jobs = 2 if backend == "loky" else 1
    start = time.perf_counter()
    with joblib.parallel_backend(backend, n_jobs=jobs):
        CASES[name].work(lesson, CASES[name].size, jobs)
    return time.perf_counter() - start


def calibration() -> tuple[float, float]:
    """The seconds that two equal computations take: sequentially in one process, and in parallel in two."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        list(processes.map(spin, [SPINS // 10] * 4))  # starts both processes
        start = time.perf_counter()
        spin(SPINS)
        spin(SPINS)
        middle = time.perf_counter()
        list(processes.map(spin, [SPINS] * 2))
        return middle - start, time.perf_counter() - middle


def spin(count: int) -> int:
    """Compute without using a significant amount of memory."""
    total = 0
    for number in range(count):
        total += number
    return total


def as_dict(row: Comparison) -> dict[str, Any]:
    """Convert a row to JSON values. They are medians."""
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
    """Measure one lesson and print its rows. Returns the exit code."""
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
    """The command-line parser."""
    own = argparse.ArgumentParser(
        prog="python -m bench.lesson.speedup",
        description="Compare a lesson on the cluster with a sequential run and with loky.",
        allow_abbrev=False,
    )
    own.add_argument(
        "--address",
        default="http://127.0.0.1:8265",
        metavar="URL",
        help="the cluster's dashboard (default http://127.0.0.1:8265)",
    )
    own.add_argument("lesson", choices=CASES, help="the lesson to measure")
    own.add_argument("--rounds", type=int, default=3, metavar="N", help="number of rounds (default 3)")
    own.add_argument("--json", action="store_true", help="print JSON")
    own.add_argument("--here", choices=BACKENDS[1:], help=argparse.SUPPRESS)
    return own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
