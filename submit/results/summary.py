"""A result's summary for an 80 × 24 terminal: the most important values first, each on one line. Pure.

Whatever a job prints becomes a few short lines: no more than `ROWS`, and no value is read beyond the width of a line.
`--result PATH` writes all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from raydock.terminal.status_line import columns_of, cut
from raydock.units import counted, duration

from .fields import PoolUse, ResultFields, Workers
from .values import NAME, concise, is_nothing, name_of, printed

ROWS = 15  # fits in 24 lines together with the status, the dashboard's link and the next step
POOLS = 4
LOOKED_AT = 1000  # values counted, to report how many are left out
DEPTH = 2  # names joined by dots

Row = tuple[str, str]


def lines(fields: ResultFields, workers: Workers, width: int = 80) -> list[str]:
    """The summary as lines `name   value`, each cut to `width` columns."""
    first = [*times(fields), *efficiency(fields, workers)]
    last = [*pools(fields.pools), *memory(fields), *data(fields)]
    room = ROWS - len(first) - len(last)
    reported = chain(values(fields.metrics, width), values(fields.own, width))
    middle = list(islice(reported, LOOKED_AT))
    rows = [*first, *middle[:room], *last]
    name_width = max((columns_of(name) for name, _ in rows), default=0)
    shown = [
        f"  {name}{' ' * (name_width - columns_of(name))}  {cut(value, max(width - name_width - 4, 20))}"
        for name, value in rows
    ]
    if len(middle) > room:
        shown.append(f"  … {left_out(len(middle) - room, len(middle))}; --result PATH writes everything")
    return shown


def left_out(hidden: int, found: int) -> str:
    """How many values are not shown."""
    return f"{'at least ' if found == LOOKED_AT else ''}{counted(hidden, 'more value')}"


def times(fields: ResultFields) -> Iterator[Row]:
    """Yield the speed-up and the timings."""
    if fields.speed_up is not None:
        slower = ": slower than without Ray" if fields.speed_up < 1 else ""
        yield "speed-up", f"{fields.speed_up:.3g}×{slower}"
    if fields.ray is not None:
        yield "with Ray" if fields.alone is not None else "time", duration(fields.ray)
    if fields.alone is not None:
        yield "without Ray", f"{duration(fields.alone)}, on one CPU"


def efficiency(fields: ResultFields, workers: Workers) -> Iterator[Row]:
    """Yield the number of CPUs, whether they share fewer cores, and how well they were used."""
    if not fields.cpus or fields.speed_up is None:
        return
    shared = 0 < workers.cores < fields.cpus
    share = f", sharing this machine's {counted(workers.cores, 'core')}" if shared else ""
    used = "" if fields.efficiency is None else f"; efficiency {fields.efficiency:.0%}"
    yield "CPUs", f"{fields.cpus:,}{share}{used}"


def pools(found: Iterable[PoolUse]) -> Iterator[Row]:
    """Yield a row for each worker pool."""
    every = list(found)
    for pool in every[:POOLS]:
        tasks = "" if pool.tasks is None else f", {counted(pool.tasks, 'task')}"
        yield name_of(pool.name), f"{counted(pool.nodes, 'node')}{tasks}"
    if len(every) > POOLS:
        yield "…", counted(len(every) - POOLS, "more pool")


def memory(fields: ResultFields) -> Iterator[Row]:
    """Yield the peak memory of a worker process."""
    if fields.peak_memory_mib is not None:
        yield "memory", f"{fields.peak_memory_mib:,.0f} MiB in the largest worker process"


def data(fields: ResultFields) -> Iterator[Row]:
    """Yield the data that was used."""
    if fields.data:
        yield "data", printed(fields.data)


def values(found: Mapping[str, object], width: int, prefix: str = "", depth: int = 1) -> Iterator[Row]:
    """Yield a job's own values; a nested value that does not fit on a line gets a row for each of its members."""
    for key, value in found.items():
        if is_nothing(value):
            continue
        name = f"{prefix}{key[:NAME]}"
        text = concise(key, value)
        if isinstance(value, Mapping) and depth < DEPTH and columns_of(text) > width - len(name) - 8:
            yield from values(value, width, f"{name}.", depth + 1)
        else:
            yield name_of(name), text
