"""Runs every job in jobs/ on a separate cluster and writes a report: `make lessons`.

The sizes suit a laptop. After the jobs, tune_forest.py's grid runs on one to three workers, and tasks that only wait,
and therefore need no cores, run on one to eight. Each job is submitted with submit.py, as a user would do it.
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
DEADLINE = 1800.0  # seconds that one job may take
INTERRUPTED = 130
CLUSTER = {"CPU_WORKERS": "2", "GPU_WORKERS": "1"}


@dataclass(frozen=True, slots=True)
class Lesson:
    """A job script and its arguments. `smoke` are the arguments for a short run."""

    script: str
    arguments: tuple[str, ...] = ()
    smoke: tuple[str, ...] = ("--smoke-test",)

    def command(self, smoke: bool) -> list[str]:
        """The command that runs the job."""
        compare = [word for word in self.arguments if word == "--compare"]
        arguments = [*self.smoke, *compare] if smoke else list(self.arguments)
        return [sys.executable, "submit.py", self.script, *(["--", *arguments] if arguments else [])]


GRID = ("--rows", "8000", "--trees", "25", "50", "75")  # 27 trials, 1 to 2 s each

# Ordered so that every job's input exists: make_data writes the input for three others, train_xgboost for the next two.
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
    """A lesson that runs with different numbers of workers."""

    lesson: Lesson
    workers: tuple[int, ...]
    smoke: tuple[int, ...] = (1, 2)


SCALES = (Scale(Lesson("jobs/tune_forest.py", GRID), (1, 2, 3)), Scale(WAITS, (1, 2, 4, 8)))


def main(argv: Sequence[str]) -> int:
    """Run the lessons. Returns 0, 1 if any of them failed, or 130 after Ctrl-C."""
    options = parser().parse_args(argv)
    try:
        failed = lessons(options.output, options.smoke_test, chosen(options.what), options.runtime)
    except Unexpected as fault:
        say(f"lessons: {fault}")
        return 1
    except KeyboardInterrupt:
        say("lessons: interrupted; the results of completed lessons were saved.")
        return INTERRUPTED
    if failed:
        say(f"lessons: {len(failed)} failed: {', '.join(failed)}. See their logs above.")
    return 1 if failed else 0


def lessons(output: Path, smoke: bool, what: Sequence[str], runtime: str) -> list[str]:
    """Run all lessons, even if some fail, and write the report. Returns the names of the failed ones."""
    start = time.monotonic()
    with lab(**CLUSTER) as cluster:
        say("lessons: starting a separate cluster")
        cluster.cluster("up", "--runtime", runtime)
        try:
            chosen_lessons = [one for one in LESSONS if is_chosen(one, what)]
            failed = [one.script for one in chosen_lessons if not run_lesson(one, cluster, smoke)]
            failed += [
                name
                for one in SCALES
                if is_chosen(one.lesson, what)
                for name in run_scale(one, cluster, smoke)
            ]
        finally:
            keep(cluster, output)
    say(f"lessons: done after {time.monotonic() - start:.0f} s; open {output / 'report.html'}")
    return failed


def run_lesson(lesson: Lesson, cluster: BenchLab, smoke: bool) -> bool:
    """Run one job and show its log on the terminal. Returns whether it succeeded and met its minimum score."""
    command = lesson.command(smoke)
    say(f"\nlessons: python {' '.join(command[1:])}")
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=dict(cluster.env), stdin=subprocess.DEVNULL, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired:
        say(f"lessons: {lesson.script} did not finish within {DEADLINE:g} s")
        return False
    return done.returncode == 0


def run_scale(scale: Scale, cluster: BenchLab, smoke: bool) -> Iterable[str]:
    """Run the lesson with each number of CPU workers and no GPU workers. Yields the failed runs."""
    for workers in scale.smoke if smoke else scale.workers:
        say(f"\nlessons: {workers} worker{'s' * (workers > 1)}")
        try:
            cluster.cluster("scale", f"cpu-worker={workers}", "gpu-worker=0")
        except Unexpected as fault:
            say(f"lessons: {fault}")
            yield f"{workers} workers"
            continue
        warm(cluster)
        if not run_lesson(scale.lesson, cluster, smoke):
            yield f"{scale.lesson.script} on {workers}"


def warm(cluster: BenchLab) -> None:
    """Start the worker processes on new nodes with a run that is not measured, and delete its result."""
    before = set(results(cluster).glob("*.json"))
    run_lesson(WAITS, cluster, smoke=True)
    for path in set(results(cluster).glob("*.json")) - before:
        path.unlink()


def results(cluster: BenchLab) -> Path:
    """The folder where submit.py saves the results of this cluster's jobs."""
    return Path(cluster.env["RAYDOCK_STATE"]) / "results"


def keep(cluster: BenchLab, output: Path) -> None:
    """Copy the results out of the cluster's state folder and write the report. Raises Unexpected if that fails."""
    if not results(cluster).is_dir():
        return
    kept = output / "results"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(results(cluster), kept)
    command = [sys.executable, "submit.py", "report", "--output", str(output / "report.html")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dict(cluster.env),
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise Unexpected("Could not write the report; see the error above.")


def is_chosen(lesson: Lesson, what: Sequence[str]) -> bool:
    """Whether the lesson is one of the given names. True if none are given."""
    return not what or Path(lesson.script).stem in what


def chosen(what: Sequence[str]) -> Sequence[str]:
    """Return the names. Raises Unexpected if one is unknown."""
    known = [Path(one.script).stem for one in (*LESSONS, WAITS)]
    unknown = [name for name in what if name not in known]
    if unknown:
        raise Unexpected(f"Unknown lesson {unknown[0]}. Known: {', '.join(known)}.")
    return what


def parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    own = argparse.ArgumentParser(
        prog="python -m bench.lessons",
        description="Run every job in jobs/ on a separate cluster and write a report.",
        allow_abbrev=False,
    )
    own.add_argument(
        "what", nargs="*", metavar="LESSON", help="lessons to run, for example forest_sweep (default: all)"
    )
    own.add_argument("--smoke-test", action="store_true", help="run a short version of each lesson")
    own.add_argument(
        "--runtime",
        choices=["auto", "docker", "processes"],
        default="auto",
        help="the same as for `python -m cluster up` (default auto)",
    )
    own.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="DIR", help="folder for the report (default lessons)"
    )
    return own


def say(line: str) -> None:
    """Print a line of progress to stderr."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
