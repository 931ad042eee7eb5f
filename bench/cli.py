"""The command line. This is the only module that prints: the table to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bench.measure import lab, machine, report
from bench.measure.command import ROOT, Unexpected
from bench.measure.paired_runs import Setting
from bench.measure.report import Measurement, Report
from bench.measure.statistics import Comparison

RESULTS = ROOT / "bench" / "results"
PLOT = "results.svg"
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark. Its module defines `measure(setting) -> list[Comparison]`."""

    module: str
    on_cluster: bool
    about: str
    on_request: bool = False  # needs something that most machines lack, so it runs only if it is named


# In the order of the table. To add a benchmark, write a module and add a line here.
BENCHMARKS = {
    "first_line": Benchmark(
        "bench.submission.first_line", True, "time from submission to the job's first line"
    ),
    "phases": Benchmark("bench.submission.phases", True, "the same, in phases"),
    "exit": Benchmark("bench.submission.exit", True, "time from job finish to command exit; exit codes"),
    "lag": Benchmark("bench.submission.lag", True, "log line delay"),
    "start": Benchmark("bench.submission.start", False, "startup time: --help, and to the first request"),
    "package": Benchmark("bench.submission.package", True, "2,000 files: bytes uploaded, packaging time"),
    "up": Benchmark("bench.up", False, "time from cluster-up until the first job finishes"),
    "idle": Benchmark("bench.idle", False, "CPU time of a lab that runs nothing"),
    "check": Benchmark("bench.check", False, "storage permission check, all granted"),
    "storage": Benchmark("bench.storage", False, "the lab's storage vs. fake-gcs-server"),
    "decisions": Benchmark("bench.decisions", False, "the lab's storage with and without its record"),
    "lesson": Benchmark("bench.lesson.speedup", True, "lessons vs. sequential runs and loky"),
    "joblib": Benchmark(
        "bench.lesson.joblib_backends", False, "joblib with shared data vs. Ray's own, loky and tasks"
    ),
    "first_row": Benchmark("bench.lesson.first_row", True, "Ray Data lessons: time before the first row"),
    "tune": Benchmark("bench.lesson.tune", True, "Ray Tune vs. the fits alone; memory per trial"),
    "train": Benchmark("bench.lesson.train", True, "Ray Train vs. xgb.train"),
    "kuberay": Benchmark(
        "bench.submission.kuberay", False, "first line and exit on the kubeconfig's RayCluster", True
    ),
}


def main(argv: Sequence[str]) -> int:
    """Run the benchmarks and return the exit code: 0, 1, or 130 after Ctrl-C."""
    options = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = None
    try:
        for fresh in run_all(options):
            results = keep(fresh, options.output)
    except Unexpected as fault:
        say(f"bench: {fault}")
        return 1
    except KeyboardInterrupt:
        say("bench: interrupted; completed benchmarks were saved.")
        return INTERRUPTED
    if results:
        print(report.markdown(results))
        say(f"bench: results written to {options.output}")
    return 0


def keep(fresh: Report, folder: Path) -> Report:
    """Save the new results, replacing earlier ones with the same name. Returns all results."""
    from bench.measure.plot import draw

    before = report.read(folder)
    results = (before.with_(fresh) if before else fresh).in_order(list(BENCHMARKS))
    report.write(results, folder)
    draw(results, folder / PLOT)
    return results


def parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    own = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compare raydock with the stock tools in alternating runs.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="benchmarks:\n"
        + "\n".join(f"  {name:<11} {benchmark.about}" for name, benchmark in BENCHMARKS.items()),
        allow_abbrev=False,
    )
    own.add_argument("what", nargs="*", metavar="WHAT", help="benchmarks to run (default: all but kuberay)")
    own.add_argument(
        "--pairs", type=positive, default=10, metavar="N", help="number of paired runs (default 10)"
    )
    own.add_argument("--quick", action="store_true", help="joblib only: two small cases instead of all")
    own.add_argument(
        "--address", metavar="URL", help="the cluster's dashboard (default: start a cluster if needed)"
    )
    own.add_argument(
        "--output",
        type=Path,
        default=RESULTS,
        metavar="DIR",
        help="folder for results (default bench/results)",
    )
    return own


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def chosen(what: Sequence[str]) -> list[str]:
    """The benchmarks to run, sorted so that those that need no cluster run before one is started.

    Raises Unexpected for an unknown name.
    """
    unknown = [name for name in what if name not in BENCHMARKS]
    if unknown:
        raise Unexpected(f"Unknown benchmark {unknown[0]}. Known: {', '.join(BENCHMARKS)}.")
    order = list(BENCHMARKS)
    usual = [name for name in order if not BENCHMARKS[name].on_request]
    return sorted(
        dict.fromkeys(what or usual), key=lambda name: (BENCHMARKS[name].on_cluster, order.index(name))
    )


def run_all(options: argparse.Namespace) -> Iterator[Report]:
    """Run the benchmarks one after another. Starts a cluster if one is needed and no address is given."""
    names, machine_ = chosen(options.what), machine.describe()
    with ExitStack() as stack:
        address, cluster = options.address or "", "the cluster at --address"
        for name in names:
            on_cluster = BENCHMARKS[name].on_cluster
            if on_cluster and not address:
                say("bench: starting a cluster")
                own = stack.enter_context(lab.lab(**lab.TWO_WORKERS))
                own.cluster("up")
                own.use_key()
                address, cluster = own.address, own.describe()
            setting = Setting(
                address if on_cluster else "", options.pairs, say, options.quick, options.output
            )
            yield Report(machine_, (measured(name, setting, cluster if on_cluster else ""),))


def measured(name: str, setting: Setting, cluster: str) -> Measurement:
    """Run one benchmark and record its conditions."""
    say(f"{name}: {BENCHMARKS[name].about}")
    module = importlib.import_module(BENCHMARKS[name].module)
    measure = cast(Callable[[Setting], list[Comparison]], module.measure)
    date, load = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), os.getloadavg()[0]
    return Measurement(name, date, cluster, round(load, 2), tuple(measure(setting)))


def say(line: str) -> None:
    """Print a line of progress to stderr."""
    print(line, file=sys.stderr, flush=True)
