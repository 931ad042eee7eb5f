"""The command line: the only module that prints. The table goes to stdout, progress to stderr."""

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
class Known:
    """A measurement: its module, which has `measure(setting) -> list[Row]`."""

    module: str
    on_cluster: bool
    about: str


# In the order of the table. Adding a measurement is one module and one line here.
KNOWN = {
    "first_line": Known("bench.first_line", True, "submit → first line of the job visible"),
    "exit": Known("bench.exit", True, "job ends → command exits, and its exit code"),
    "lag": Known("bench.lag", True, "lag of a log line"),
    "start": Known("bench.start", False, "--help, and the time until the first request"),
    "package": Known("bench.package", True, "a tree of 2,000 files: bytes sent, packaging"),
    "up": Known("bench.up", False, "cluster-up until a job has ended"),
    "check": Known("bench.check", False, "the check of storage permissions, all granted"),
    "storage": Known("bench.storage", False, "the lab's storage beside fake-gcs-server"),
    "lesson": Known("bench.lesson_speedup", True, "lessons beside sequential and loky"),
    "tune": Known("bench.tune", True, "Tune beside the bare fits; memory with the data shared and not"),
    "train": Known("bench.train", True, "Ray Train beside xgb.train"),
}


def main(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = None
    try:
        for fresh in take(options):
            results = keep(fresh, options.output)
    except Unexpected as fault:
        say(f"bench: {fault}")
        return 1
    except KeyboardInterrupt:
        say("bench: interrupted; the measurements that had ended are kept.")
        return INTERRUPTED
    if results:
        print(report.markdown(results))
        say(f"bench: written to {options.output}")
    return 0


def keep(fresh: Report, folder: Path) -> Report:
    """Writes what was measured, in place of what is there under the same name."""
    from bench.measure.plot import draw

    before = report.read(folder)
    results = (before.with_(fresh) if before else fresh).in_order(list(KNOWN))
    report.write(results, folder)
    draw(results, folder / PLOT)
    return results


def parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures raydock beside the stock way of doing the same work, in turns, in the same run.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<11} {known.about}" for name, known in KNOWN.items()),
        allow_abbrev=False,
    )
    own.add_argument("what", nargs="*", metavar="WHAT", help="measurements to take; all by default")
    own.add_argument("--pairs", type=positive, default=10, metavar="N", help="pairs of ours and stock (10)")
    own.add_argument(
        "--address", metavar="URL", help="a dashboard to measure on; else a cluster is brought up"
    )
    own.add_argument("--output", type=Path, default=RESULTS, metavar="DIR", help="default bench/results")
    return own


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def chosen(what: Sequence[str]) -> list[str]:
    """The names that were asked for, those first that need no cluster, so that none is up beside them."""
    unknown = [name for name in what if name not in KNOWN]
    if unknown:
        raise Unexpected(f"There is no measurement {unknown[0]}. There are: {', '.join(KNOWN)}.")
    return sorted(
        dict.fromkeys(what or KNOWN), key=lambda name: (KNOWN[name].on_cluster, list(KNOWN).index(name))
    )


def take(options: argparse.Namespace) -> Iterator[Report]:
    """Takes the measurements one by one, on a cluster of our own where one is needed and none is given."""
    names, machine_ = chosen(options.what), machine.describe()
    with ExitStack() as stack:
        address, cluster = options.address or "", "the cluster of --address"
        for name in names:
            on_cluster = KNOWN[name].on_cluster
            if on_cluster and not address:
                say("bench: bringing a cluster up")
                own = stack.enter_context(lab.lab(**lab.TWO_WORKERS))
                own.cluster("up")
                own.use_key()
                address, cluster = own.address, own.describe()
            setting = Setting(address if on_cluster else "", options.pairs, say)
            yield Report(machine_, (measured(name, setting, cluster if on_cluster else ""),))


def measured(name: str, setting: Setting, cluster: str) -> Measurement:
    """One measurement, and the conditions that it was taken under."""
    say(f"{name}: {KNOWN[name].about}")
    measure = cast(Callable[[Setting], list[Comparison]], importlib.import_module(KNOWN[name].module).measure)
    date, load = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), os.getloadavg()[0]
    return Measurement(name, date, cluster, round(load, 2), tuple(measure(setting)))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
