"""The first lesson's search: Ray on the cluster's workers, beside one process and joblib's own loky with two.

All three run the function `search` of jobs/sklearn_joblib.py: the same candidates and folds, one thread a process.
A round takes each way once, in turns; beside them, in the same round, what two processes that only compute gain
over one on this machine: where they do not gain 2×, nothing else can either.

What is timed is the search, with the start of the processes that share it: Ray's actors and loky's workers alike
are new in each run, and import scikit-learn. The submission of the job is not in it (see first_line and exit).

    python -m bench.lesson --address http://127.0.0.1:8265 --json
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
from typing import Any

from bench import command
from bench.command import ROOT, Unexpected
from bench.figures import Row
from bench.pairs import Setting
from bench.ways import wait_until_idle

SCRIPT = ROOT / "jobs" / "sklearn_joblib.py"
N_ITER = 40  # candidates: 200 fits, about 20 s of one CPU
DEADLINE = 600.0  # seconds for one search
SPINS = 20_000_000  # additions, about a second of one CPU
WAYS = ("ray", "loky", "sequential")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of each way, and of the calibration: twice the work in one process, and in two side by side."""

    ray: float
    loky: float
    sequential: float
    one_process: float
    two_processes: float


def measure(setting: Setting) -> list[Row]:
    return rows_of(rounds(setting, N_ITER), N_ITER)


def rounds(setting: Setting, n_iter: int) -> list[Round]:
    """The rounds, each beginning with another way."""
    taken = []
    for number in range(setting.pairs):
        wait_until_idle(setting.address)
        one, two = calibration()
        order = [WAYS[(number + place) % len(WAYS)] for place in range(len(WAYS))]
        took = {way: searched(way, n_iter, setting.address) for way in order}
        taken.append(Round(**took, one_process=one, two_processes=two))
        shown = ", ".join(f"{way} {took[way]:.1f} s" for way in order)
        setting.say(f"  round {number + 1} of {setting.pairs}: {shown}; two processes gain {one / two:.2f}x")
    return taken


def rows_of(taken: Sequence[Round], n_iter: int) -> list[Row]:
    """Ours is Ray, in the calibration two processes; a ratio under 1 is a gain."""
    ray = [round.ray for round in taken]
    what = f"the lesson, {n_iter} candidates, on the workers against"
    one, two = [round.one_process for round in taken], [round.two_processes for round in taken]
    return [
        Row.of(f"{what} one process", "s", ray, [round.sequential for round in taken]),
        Row.of(f"{what} loky with 2 processes", "s", ray, [round.loky for round in taken]),
        Row.of("– calibration: pure computing in two processes against one", "s", two, one),
    ]


def searched(way: str, n_iter: int, address: str) -> float:
    """Seconds of one search."""
    return by_ray(n_iter, address) if way == "ray" else by_this_machine(way, n_iter)


def by_ray(n_iter: int, address: str) -> float:
    """Sends the job and takes the seconds from its result. Raises Unexpected where no worker did the work."""
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        path = Path(folder, "result.json")
        words = command.ours("--address", address, "--result", path, SCRIPT, "--", "--n-iter", n_iter)
        done = command.run(words, DEADLINE)
        if done.code:
            raise Unexpected(f"The lesson's job ended with {done.code}.", done.err)
        result = json.loads(path.read_text())
    if not result["nodes"]:
        raise Unexpected("The lesson's result names no node that did work.")
    return float(result["seconds"]["ray"])


def by_this_machine(way: str, n_iter: int) -> float:
    """Runs the search in a Python of its own, with joblib's own means."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.lesson", "--search", way, "--n-iter", str(n_iter)],
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        raise Unexpected(f"The search by {way} ended with {done.returncode}.", done.stderr)
    return float(done.stdout.split()[-1])


def search(way: str, n_iter: int) -> float:
    """Seconds of the search of the lesson in this process, or in two more."""
    import joblib

    spec = importlib.util.spec_from_file_location("lesson", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    lesson = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lesson)
    start = time.perf_counter()
    with joblib.parallel_backend(way, n_jobs=2 if way == "loky" else 1):
        lesson.search(n_iter)
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


def as_dict(row: Row) -> dict[str, Any]:
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
    if options.search:
        print(search(options.search, options.n_iter))
        return 0
    setting = Setting(options.address, options.rounds, lambda line: print(line, file=sys.stderr, flush=True))
    try:
        rows = [as_dict(row) for row in rows_of(rounds(setting, options.n_iter), options.n_iter)]
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
    own = argparse.ArgumentParser(prog="python -m bench.lesson", allow_abbrev=False)
    own.add_argument("--address", default="http://127.0.0.1:8265", metavar="URL", help="the dashboard")
    own.add_argument("--n-iter", type=int, default=N_ITER, metavar="N", help="candidates (40)")
    own.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of all three ways (3)")
    own.add_argument("--json", action="store_true", help="for programs")
    own.add_argument("--search", choices=WAYS[1:], help=argparse.SUPPRESS)
    return own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
