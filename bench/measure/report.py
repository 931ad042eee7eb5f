"""Formats the results as JSON and as a Markdown table. All functions are pure, except for `write` and `read`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure.statistics import Aim, Comparison, Of, Sample

VERSION = 1
HEADINGS = ("what", "ours", "stock", "ratio", "aim", "met")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One benchmark's rows, and the conditions it ran under."""

    name: str
    date: str
    cluster: str  # runtime and nodes; empty if the benchmark needs no cluster
    load: float  # the machine's 1-minute load average before the run
    rows: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All results from one machine."""

    machine: Mapping[str, str]
    measurements: tuple[Measurement, ...]

    def with_(self, fresh: Report) -> Report:
        """This report, updated with the fresh results. If those are from another machine, the old ones are dropped."""
        if dict(self.machine) != dict(fresh.machine):
            return fresh
        taken = {one.name: one for one in self.measurements} | {one.name: one for one in fresh.measurements}
        return Report(fresh.machine, tuple(taken.values()))

    def in_order(self, names: list[str]) -> Report:
        """A report with the measurements in the order of `names`."""
        return Report(self.machine, tuple(sorted(self.measurements, key=lambda one: names.index(one.name))))


def markdown(results: Report) -> str:
    """The table, its legend, and the conditions."""
    rows = [row for one in results.measurements for row in one.rows]
    table = [line(HEADINGS), line(["---"] * len(HEADINGS)), *(line(cells(row)) for row in rows)]
    return "\n".join([*table, "", LEGEND, "", *conditions(results)]) + "\n"


LEGEND = (
    "Values are medians, unless the row specifies another quantile, followed by p25–p75 and the number of runs in "
    "parentheses. The ratio is ours / stock, followed by p25–p75 of the pairs' ratios. "
    "With a confidence interval, it is the median of the pairs' ratios; its goal is met if the whole interval meets "
    "it, and unclear if only a part does. "
    "Stock is `ray job submit`, unless the row specifies something else. "
    "Ours and stock ran in pairs, in alternating order."
)


def conditions(results: Report) -> list[str]:
    """The machine, and each measurement's date, cluster and load."""
    said = results.machine
    docker = (
        f", Docker {said['docker']} with Compose {said['compose']}" if "docker" in said else ", no Docker"
    )
    machine = (
        f"Machine: {said['cpu']}, {said['cores']} cores, {said['memory']}, {said['system']}, "
        f"Python {said['python']}, Ray {said['ray']}{docker}."
    )
    taken = [
        f"- {one.name}: {one.date}, {one.cluster or 'no cluster needed'}, initial load average {one.load:.1f}"
        for one in results.measurements
    ]
    return [machine, "", *taken]


def line(texts: list[str] | tuple[str, ...]) -> str:
    """A row in the Markdown table."""
    return "| " + " | ".join(texts) + " |"


def cells(row: Comparison) -> list[str]:
    """The cells of one row."""
    return [
        row.what,
        sample(row.ours, row.unit),
        sample(row.stock, row.unit) if row.stock else "–",
        ratio(row),
        aim(row.aim, row.unit),
        {True: "yes", False: "**no**", None: "unclear" if row.paired and row.aim else "–"}[row.met],
    ]


def sample(one: Sample, unit: str) -> str:
    """The value, its spread and the number of runs."""
    if unit == "right":
        return f"{sum(one.values):.0f} of {len(one.values)}"
    low, high = (amount(value, unit) for value in one.spread)
    runs = len(one.runs)
    lines = f", {len(one.values):,} values" if len(one.values) > runs else ""
    if low == high == amount(one.value, unit):
        return f"{low} {unit} (n={runs}{lines})"
    return f"{amount(one.value, unit)} {unit} ({low}–{high}, n={runs}{lines})"


def amount(value: float, unit: str) -> str:
    """Format a number: bytes as an integer, durations with three significant digits."""
    if unit == "bytes":
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def ratio(row: Comparison) -> str:
    """The ratio and its spread, or a dash if there is none."""
    if row.ratio is None:
        return "–"
    spread = row.ratio_spread
    if row.paired and spread:
        return f"{row.ratio:.3f} (95% confidence: {spread[0]:.3f}–{spread[1]:.3f})"
    return f"{row.ratio:.2g}" + (f" ({spread[0]:.2g}–{spread[1]:.2g})" if spread else "")


def aim(one: Aim | None, unit: str) -> str:
    """The goal as text."""
    if one is None:
        return "report"
    if one.of is Of.RIGHT:
        return "all"
    if one.of is Of.OURS:
        return f"{'<' if one.strict else '≤'} {one.most:g} {unit}"
    return f"ratio {'<' if one.strict else '≤'} {one.most:g}"


def as_json(results: Report) -> str:
    """Format the report as JSON, with each run's values on one line."""
    value = {
        "version": VERSION,
        "machine": dict(results.machine),
        "measurements": [
            {
                "name": one.name,
                "date": one.date,
                "cluster": one.cluster,
                "load_before": one.load,
                "rows": [row_as_json(row) for row in one.rows],
            }
            for one in results.measurements
        ],
    }
    text = json.dumps(value, indent=1, ensure_ascii=False)
    numbers = re.compile(r"\[\s+([-\d.e,\s]+?)\s+\]")
    return numbers.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def row_as_json(row: Comparison) -> dict[str, Any]:
    """A row's derived and raw values."""
    return {
        "what": row.what,
        "unit": row.unit,
        "ours": sample_as_json(row.ours),
        "stock": sample_as_json(row.stock) if row.stock else None,
        "ratio": row.ratio,
        "aim": {"of": row.aim.of.value, "most": row.aim.most, "strict": row.aim.strict} if row.aim else None,
        "met": row.met,
        "paired": row.paired,
    }


def sample_as_json(one: Sample) -> dict[str, Any]:
    """A sample's derived and raw values. The raw values are rounded to 5 digits after the decimal point."""
    runs = [[round(value, 5) for value in run] for run in one.runs]
    return {"value": one.value, "spread": list(one.spread), "q": one.q, "runs": runs}


def from_json(text: str) -> Report:
    """Parse the output of `as_json`. Raises ValueError if its version is different."""
    value = json.loads(text)
    if value.get("version") != VERSION:
        raise ValueError(f"unsupported results version {value.get('version')}; expected {VERSION}")
    taken = (
        Measurement(
            one["name"], one["date"], one["cluster"], one["load_before"], tuple(map(row_of, one["rows"]))
        )
        for one in value["measurements"]
    )
    return Report(value["machine"], tuple(taken))


def row_of(value: Mapping[str, Any]) -> Comparison:
    """The inverse of `row_as_json`."""
    aimed = value["aim"]
    return Comparison(
        value["what"],
        value["unit"],
        sample_of(value["ours"]),
        sample_of(value["stock"]) if value["stock"] else None,
        Aim(Of(aimed["of"]), aimed["most"], aimed["strict"]) if aimed else None,
        bool(value.get("paired")),
    )


def sample_of(value: Mapping[str, Any]) -> Sample:
    """The inverse of `sample_as_json`."""
    return Sample(tuple(tuple(run) for run in value["runs"]), value["q"])


def write(results: Report, folder: Path) -> None:
    """Write `results.json` and `results.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(as_json(results), encoding="utf-8")
    (folder / "results.md").write_text(markdown(results), encoding="utf-8")


def read(folder: Path) -> Report | None:
    """Read the results in the folder, or return None if there are none."""
    try:
        return from_json((folder / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
