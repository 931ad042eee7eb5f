"""`make lessons`: every job of jobs/, one after the other, on a cluster of their own, and the report of it.

At sizes for a laptop. Then the grid of tune_forest.py on one, two and three workers, and tasks that only wait on
one to eight: what does not need cores. Each job is sent by submit.py, as anyone would.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure.command import ROOT, Unexpected
from bench.measure.lab import BenchLab, lab

OUTPUT = ROOT / "lessons"
DEADLINE = 1800.0  # seconds for one job
INTERRUPTED = 130
CLUSTER = {"CPU_WORKERS": "2", "GPU_WORKERS": "1"}


@dataclass(frozen=True, slots=True)
class Lesson:
    """A job script and its arguments. `smoke` holds those of a short run."""

    script: str
    arguments: tuple[str, ...] = ()
    smoke: tuple[str, ...] = ("--smoke-test",)

    def words(self, smoke: bool) -> list[str]:
        """The command."""
        compare = [word for word in self.arguments if word == "--compare"]
        arguments = [*self.smoke, *compare] if smoke else list(self.arguments)
        return [sys.executable, "submit.py", self.script, *(["--", *arguments] if arguments else [])]


GRID = ("--rows", "8000", "--trees", "25", "50", "75")  # 27 trials of a second or two

# In an order in which each finds what it reads: make_data writes for three others, training for the two after it.
LESSONS = (
    Lesson("jobs/sklearn_joblib.py", ("--n-iter", "60", "--compare")),
    Lesson("jobs/forest_sweep.py", ("--forests", "14", "--compare")),
    Lesson("jobs/ray_tasks.py", ("--compare",)),
    Lesson("jobs/kfold_cv.py", ("--models", "2000", "--compare")),
    Lesson("jobs/gpu_tasks.py"),
    Lesson("jobs/tune_forest.py", (*GRID, "--compare")),
    Lesson("jobs/make_data.py", ("--rows", "400000")),
    Lesson("jobs/csv_to_parquet.py", ("--compare",)),
    Lesson("jobs/train_xgboost.py", ("--rounds", "50", "--compare")),
    Lesson("jobs/batch_predict.py", ("--compare",)),
    Lesson("jobs/serve_model.py", ("--compare",)),
    Lesson("jobs/whoami.py"),
)
WAITS = Lesson("bench/jobs/waits.py", (), ("--tasks", "8", "--seconds", "0.2"))


@dataclass(frozen=True, slots=True)
class Scale:
    """The same lesson on several numbers of workers."""

    lesson: Lesson
    workers: tuple[int, ...]
    smoke: tuple[int, ...] = (1, 2)


SCALES = (Scale(Lesson("jobs/tune_forest.py", GRID), (1, 2, 3)), Scale(WAITS, (1, 2, 4, 8)))


def main(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    try:
        failed = lessons(options.output, options.smoke_test, chosen(options.what), options.kind)
    except Unexpected as fault:
        say(f"lessons: {fault}")
        return 1
    except KeyboardInterrupt:
        say("lessons: interrupted; the results so far are kept.")
        return INTERRUPTED
    if failed:
        say(f"lessons: {len(failed)} failed: {', '.join(failed)}. Each has its log above.")
    return 1 if failed else 0


def lessons(output: Path, smoke: bool, what: Sequence[str], kind: str) -> list[str]:
    """Runs them and writes the report. The names of those that failed; the others run all the same."""
    start = time.monotonic()
    with lab(**CLUSTER) as cluster:
        say("lessons: starting a cluster of their own")
        cluster.cluster("up", "--kind", kind)
        try:
            failed = [one.script for one in LESSONS if wanted(one, what) and not taught(one, cluster, smoke)]
            failed += [
                name for one in SCALES if wanted(one.lesson, what) for name in scaled(one, cluster, smoke)
            ]
        finally:
            keep(cluster, output)
    say(f"lessons: done after {time.monotonic() - start:.0f} s; open {output / 'report.html'}")
    return failed


def taught(lesson: Lesson, cluster: BenchLab, smoke: bool) -> bool:
    """Runs one job, with its log on the terminal; whether it succeeded with its metric above its floor."""
    words = lesson.words(smoke)
    say(f"\nlessons: python {' '.join(words[1:])}")
    try:
        done = subprocess.run(
            words, cwd=ROOT, env=dict(cluster.env), stdin=subprocess.DEVNULL, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired:
        say(f"lessons: {lesson.script} has not ended within {DEADLINE:g} s")
        return False
    return done.returncode == 0


def scaled(scale: Scale, cluster: BenchLab, smoke: bool) -> Iterable[str]:
    """The lesson on so many workers of the CPU pool and none of the GPU pool; those that failed."""
    for workers in scale.smoke if smoke else scale.workers:
        say(f"\nlessons: {workers} worker{'s' * (workers > 1)}")
        try:
            cluster.cluster("scale", f"cpu-worker={workers}", "gpu-worker=0")
        except Unexpected as fault:
            say(f"lessons: {fault}")
            yield f"{workers} workers"
            continue
        warm(cluster)
        if not taught(scale.lesson, cluster, smoke):
            yield f"{scale.lesson.script} on {workers}"


def warm(cluster: BenchLab) -> None:
    """Starts the processes of new nodes: once, and not what is measured, so its result is not kept."""
    before = set(results(cluster).glob("*.json"))
    taught(WAITS, cluster, smoke=True)
    for path in set(results(cluster).glob("*.json")) - before:
        path.unlink()


def results(cluster: BenchLab) -> Path:
    """Where submit.py keeps the results of this cluster's jobs."""
    return Path(cluster.env["RAYDOCK_STATE"]) / "results"


def keep(cluster: BenchLab, output: Path) -> None:
    """Copies the results out of the cluster's state and writes the report of them."""
    if not results(cluster).is_dir():
        return
    kept = output / "results"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(results(cluster), kept)
    words = [sys.executable, "submit.py", "report", "--output", str(output / "report.html")]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=dict(cluster.env),
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise Unexpected("The report could not be written; it says above why.")


def wanted(lesson: Lesson, what: Sequence[str]) -> bool:
    return not what or Path(lesson.script).stem in what


def chosen(what: Sequence[str]) -> Sequence[str]:
    """Raises Unexpected for a name that is none."""
    known = [Path(one.script).stem for one in (*LESSONS, WAITS)]
    unknown = [name for name in what if name not in known]
    if unknown:
        raise Unexpected(f"There is no lesson {unknown[0]}. There are: {', '.join(known)}.")
    return what


def parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(
        prog="python -m bench.lessons", description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    own.add_argument("what", nargs="*", metavar="LESSON", help="for example forest_sweep; all by default")
    own.add_argument("--smoke-test", action="store_true", help="a short run of each")
    own.add_argument("--kind", choices=["auto", "docker", "processes"], default="auto")
    own.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help="default lessons")
    return own


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
