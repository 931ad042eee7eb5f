"""joblib on Ray: jobs/joblib_ray.py against Ray's own backend, loky on one machine, plain Ray tasks, and the ideal.

Each case is a job that runs every way once a round, in rotating order, with processes that are already started. Data of
1 to 500 MiB is shared by tasks of 5, 50 or 500 ms, all equal or heavy-tailed. All figures are written to joblib.md and
drawn in joblib.svg; the table of results has the cases that the issue sets goals for. Peak bytes are those of the node
whose object store grew most.

The cases run on a cluster of two workers and then on one of three. With 10 rounds, that takes about three hours. The
files are written after each case, so that an interrupted run leaves what it has.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.measure import command
from bench.measure.command import ROOT, Unexpected
from bench.measure.lab import TWO_WORKERS, lab
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Aim, Comparison, Of, Sample

DEADLINE = 7200.0  # seconds for one case
MEGABYTES, MILLISECONDS, SHAPES = (1, 10, 100, 500), (5, 50, 500), ("uniform", "heavy-tailed")
WORKERS = (2, 3)
WAYS = ("ours", "stock", "loky", "tasks")
SLOW = (500, 5)  # MiB and ms: with stock, which pickles the data for each batch of tasks, over ten minutes
WIDE = 10  # times the ideal: panels with larger values have a logarithmic axis
VS_STOCK, VS_LOKY, BYTES = Aim(Of.RATIO, 0.25), Aim(Of.RATIO, 1.15), Aim(Of.RATIO, 1.1)
HEADINGS = (
    "data",
    "task",
    "workers",
    "ideal",
    *WAYS,
    "ours / stock",
    "ours / loky",
    "ours: bytes / data",
    "stock: bytes",
)


@dataclass(frozen=True, slots=True)
class Case:
    """Data that tasks share, and the tasks."""

    megabytes: int
    milliseconds: int
    shape: str
    workers: int = 2

    @property
    def arguments(self) -> list[str]:
        """The job's."""
        given = (self.megabytes, self.milliseconds, self.shape, self.workers)
        names = ("--megabytes", "--milliseconds", "--shape", "--workers")
        skipped = ["--without", "stock"] if (self.megabytes, self.milliseconds) == SLOW else []
        return [*(str(word) for pair in zip(names, given, strict=True) for word in pair), *skipped]

    def __str__(self) -> str:
        return f"{self.megabytes} MiB, {self.shape} tasks of {self.milliseconds} ms, {self.workers} workers"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a case took."""

    case: Case
    nbytes: int
    ideal: float  # seconds
    seconds: Mapping[str, tuple[float, ...]]
    peaks: Mapping[str, tuple[float, ...]]  # bytes

    @classmethod
    def of(cls, case: Case, result: Mapping[str, Any]) -> Figures:
        """Parse the job's result."""
        runs = result["runs"]
        seconds, peaks = (
            {way: tuple(run[i] for run in taken) for way, taken in runs.items()} for i in (0, 1)
        )
        return cls(case, result["nbytes"], result["ideal"], seconds, peaks)

    def row(self, against: str, aim: Aim | None = None) -> Comparison:
        """A row of the table of results."""
        what = f"joblib, {self.case}: shared data against {against}"
        return Comparison.of(what, "s", self.seconds["ours"], self.seconds[against], aim)

    def median(self, way: str) -> float:
        """Seconds."""
        return Sample.of(self.seconds[way]).value

    def peak(self, way: str) -> float:
        """The largest bytes of any round."""
        return max(self.peaks[way])


def measure(setting: Setting) -> list[Comparison]:
    """Measure every case, and write joblib.md and joblib.svg. Returns the rows that have goals."""
    taken: list[Figures] = []
    with lab(**TWO_WORKERS) as here:
        here.cluster("up")
        here.use_key()
        own = replace(setting, address=here.address)
        for workers in WORKERS:
            here.cluster("scale", f"cpu-worker={workers}")
            for case in cases(setting.quick, workers):
                taken.append(figures(own, case))
                if setting.output:
                    write(taken, setting.output)
    return list(itertools.chain.from_iterable(map(rows, taken)))


def cases(quick: bool, workers: int) -> Iterator[Case]:
    """All of them, or two small ones."""
    if quick:
        yield from (Case(megabytes, 50, "uniform", workers) for megabytes in (1, 10))
        return
    for megabytes, milliseconds, shape in itertools.product(MEGABYTES, MILLISECONDS, SHAPES):
        yield Case(megabytes, milliseconds, shape, workers)


def figures(setting: Setting, case: Case) -> Figures:
    """Run a case. Raises Unexpected if its job fails."""
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        path = Path(folder, "result.json")
        script = shutil.copy(ROOT / "bench" / "jobs" / "joblib_backends.py", folder)
        shutil.copy(ROOT / "jobs" / "joblib_ray.py", folder)
        own = ("--address", setting.address, "--skip-check", "--result", path, script)
        words = command.ours(*own, "--", *case.arguments, "--rounds", setting.pairs)
        done = command.run(words, DEADLINE)
        if done.code:
            raise Unexpected(f"The case {case} failed: submit.py exited with code {done.code}.", done.err)
        found = Figures.of(case, json.loads(path.read_text()))
    shown = ", ".join(f"{way} {found.median(way):.2f} s" for way in found.seconds)
    setting.say(f"  {case}: ideal {found.ideal:.2f} s, {shown}")
    return found


def rows(one: Figures) -> list[Comparison]:
    """The rows of a case with goals: uniform tasks of 50 ms."""
    if (one.case.milliseconds, one.case.shape) != (50, "uniform"):
        return []
    large = one.case.megabytes == 100
    stored = Comparison.of(
        f"– bytes in a node's object store against the data's size, {one.case.megabytes} MiB",
        "bytes", one.peaks["ours"], [one.nbytes] * len(one.peaks["ours"]), BYTES,
    )  # fmt: skip
    return [
        one.row("stock", VS_STOCK if large else None),
        one.row("loky", VS_LOKY if large else None),
        stored,
    ]


def write(taken: Sequence[Figures], folder: Path) -> None:
    """Write joblib.md and joblib.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "joblib.md").write_text(markdown(taken), encoding="utf-8")
    draw(taken, folder / "joblib.svg")


def markdown(taken: Sequence[Figures]) -> str:
    """Medians in seconds, ratios of medians, and peak bytes in the object store of one node."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, taken)]
    return "\n".join(f"| {' | '.join(one)} |" for one in lines) + "\n"


def cells(one: Figures) -> tuple[str, ...]:
    """A row of the Markdown table."""
    case, ours = one.case, one.median("ours")
    return (
        f"{case.megabytes} MiB", f"{case.milliseconds} ms, {case.shape}", str(case.workers), f"{one.ideal:.2f}",
        *(f"{one.median(way):.2f} (n={len(one.seconds[way])})" if way in one.seconds else "–" for way in WAYS),
        *(f"{ours / one.median(way):.2f}" if way in one.seconds else "–" for way in ("stock", "loky")),
        f"{one.peak('ours') / one.nbytes:.2f}", f"{one.peak('stock'):,.0f}" if "stock" in one.seconds else "–",
    )  # fmt: skip


def draw(taken: Sequence[Figures], path: Path) -> None:
    """Seconds by size of the data: a panel for each kind of task, a line for each way."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "raydock"  # the same results give the same file
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    kinds = list(dict.fromkeys((one.case.milliseconds, one.case.shape, one.case.workers) for one in taken))
    columns = min(len(kinds), 3)
    size = (4.2 * columns, 3.4 * -(-len(kinds) // columns))
    figure, axes = pyplot.subplots(-(-len(kinds) // columns), columns, figsize=size, squeeze=False)
    for axis, kind in zip(axes.flat, kinds, strict=False):
        own = [one for one in taken if (one.case.milliseconds, one.case.shape, one.case.workers) == kind]
        sizes = [one.case.megabytes for one in own]
        for way in WAYS:
            known = [(one.case.megabytes, one.median(way)) for one in own if way in one.seconds]
            axis.plot(*zip(*known, strict=True), "o-", markersize=4, label=way)
        axis.plot(sizes, [one.ideal for one in own], "--", color="#8a8a8a", label="ideal")
        axis.set(xscale="log", xlabel="shared data, MiB", ylabel="seconds")
        if max(one.median(way) for one in own for way in one.seconds) > WIDE * min(one.ideal for one in own):
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        else:
            axis.set_ylim(bottom=0)
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_xticks(sizes, [str(size) for size in sizes])
        for side in (axis.xaxis, axis.yaxis):
            side.set_minor_formatter(NullFormatter())
        axis.set_title(f"{kind[1]} tasks of {kind[0]} ms, {kind[2]} workers", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    for unused in axes.flat[len(kinds) :]:
        unused.set_axis_off()
    axes.flat[0].legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
