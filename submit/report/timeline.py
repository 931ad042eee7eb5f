"""When each task ran, by node, as SVG that stretches to any width."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydock.pages.html import Html, element, join
from raydock.units import counted, duration

from .quantities import significant
from .run import Run
from .scaling import lanes

UNITS = 2000  # resolution of the time axis; narrower than a pixel
LANE = 14  # height of a lane in pixels
MAX_LANES = 24  # drawn per node
TICKS = 5


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis shared by all nodes. Times are in seconds."""

    begin: float
    span: float

    def place(self, moment: float) -> int:
        """The position of a moment, from 0 to UNITS."""
        return round(UNITS * (moment - self.begin) / self.span) if self.span else 0


def timeline(run: Run) -> Html:
    """One band for each node that ran tasks."""
    begin = min(float(task["start"]) for task in run.tasks)
    axis = Axis(begin, max(float(task["end"]) for task in run.tasks) - begin)
    by_node: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for task in run.tasks:
        by_node[str(task["node"])].append(task)
    bands = [band(run.node_name(node), by_node[node], axis) for node in sorted(by_node, key=run.node_name)]
    ticks = [f"{significant(axis.span * tick / (TICKS - 1))} s" for tick in range(TICKS)]
    return join(
        *bands, element("div", *(element("span", tick) for tick in ticks), class_="axis", aria_hidden="true")
    )


def band(name: str, tasks: Sequence[Mapping[str, Any]], axis: Axis) -> Html:
    """The tasks of one node. Tasks that ran at the same time are drawn below each other."""
    found = lanes(tasks)
    shown = found[:MAX_LANES]
    height = LANE * len(shown)
    parallel = f", up to {len(found)} at a time" if len(found) > 1 else ""
    figures = f"{counted(len(tasks), 'task')}{parallel}"
    drawing = element(
        "svg",
        *(join(*rectangles(lane, number, axis)) for number, lane in enumerate(shown)),
        class_="timeline",
        viewBox=f"0 0 {UNITS} {height}",
        preserveAspectRatio="none",
        height=height,
        role="img",
        aria_label=f"{name}: {figures}",
    )
    return join(
        element("div", element("span", name), element("span", figures, class_="muted"), class_="lane-head"),
        drawing,
    )


def rectangles(lane: Sequence[Mapping[str, Any]], number: int, axis: Axis) -> Iterable[Html]:
    """Yield one rectangle per task, alternating in colour; tasks too short to tell apart share one."""
    last = None
    for count, task in enumerate(lane):
        left, right = axis.place(float(task["start"])), axis.place(float(task["end"]))
        if (left, right) == last:
            continue
        last = left, right
        length = float(task["end"]) - float(task["start"])
        yield element(
            "rect",
            element("title", f"{task.get('name') or 'task'}: {duration(length)}"),
            class_="odd" if count % 2 else None,
            x=left,
            y=LANE * number + 1,
            width=max(right - left, 1),
            height=LANE - 2,
        )
