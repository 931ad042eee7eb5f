"""The fields of a RESULT that the tools show, from whatever a script printed. Pure; `keys` describes them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from raydock.answers import rows

from .keys import NAMES

LARGEST = 1e15  # absolute value that a chart can show
MAX_CPUS = 4096  # the most ticks that an axis can show


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Nodes of one worker pool that did work. `tasks` is None if the job did not count them."""

    name: str
    nodes: int
    tasks: int | None = None


@dataclass(frozen=True, slots=True)
class Workers:
    """The cluster that a job ran on: its workers' CPUs and pools, and the machine's cores if all nodes share one."""

    cpus: int = 0
    pools: tuple[PoolUse, ...] = ()
    cores: int = 0


@dataclass(frozen=True, slots=True)
class ResultFields:
    """What the tools read; None or empty if unknown. Times are in seconds."""

    job: str
    data: str = ""
    ray: float | None = None
    alone: float | None = None  # without Ray, on one worker CPU
    speed_up: float | None = None
    cpus: int = 0
    efficiency: float | None = None
    peak_memory_mib: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    pools: tuple[PoolUse, ...] = ()  # that did work, according to the job
    own: Mapping[str, Any] = field(default_factory=dict)  # keys that the tools do not know


def fields_of(result: Mapping[str, Any], entrypoint: str, workers: Workers = Workers()) -> ResultFields:
    """The fields of a result. Missing fields are derived from its other keys, the entrypoint and the cluster."""
    seconds = result.get("seconds")
    times = seconds if isinstance(seconds, Mapping) else {"ray": seconds}
    ray, alone = amount(times.get("ray")), amount(times.get("alone"))
    measured = alone / ray if alone is not None and ray else None
    speed_up = given(amount(result.get("speed_up")), measured)
    cpus = int(given(number(result.get("cpus")), workers.cpus) or 0)
    cpus = cpus if 0 <= cpus <= MAX_CPUS else 0
    metrics = result.get("metrics")
    return ResultFields(
        job=str(result.get("job") or script_of(entrypoint)),
        data=str(result.get("data") or ""),
        ray=ray,
        alone=alone,
        speed_up=speed_up,
        cpus=cpus,
        efficiency=given(amount(result.get("efficiency")), speed_up / cpus if speed_up and cpus else None),
        peak_memory_mib=number(result.get("peak_memory_mib")),
        metrics=metrics if isinstance(metrics, Mapping) else {},
        pools=pools_of(rows(result.get("nodes"))),
        own=unknown_keys(result, times),
    )


def unknown_keys(result: Mapping[str, Any], times: Mapping[str, Any]) -> dict[str, Any]:
    """What a job reports under keys that the tools do not know, including additional timings."""
    own = {name: value for name, value in result.items() if name not in NAMES}
    if not isinstance(result.get("metrics"), Mapping | None):
        own["metrics"] = result["metrics"]
    own |= {f"{name} seconds": value for name, value in times.items() if name not in {"ray", "alone"}}
    return own


def pools_of(nodes: Iterable[Mapping[str, Any]]) -> tuple[PoolUse, ...]:
    """The nodes by pool, in the order in which they are listed."""
    found: dict[str, PoolUse] = {}
    for node in nodes:
        name = str(node.get("pool") or "workers")
        known = found.get(name, PoolUse(name, 0, 0))
        tasks = amount(node.get("tasks"))
        total = None if known.tasks is None or tasks is None else known.tasks + int(tasks)
        found[name] = PoolUse(name, known.nodes + 1, total)
    return tuple(found.values())


def script_of(entrypoint: str) -> str:
    """The name of the script in an entrypoint, without its suffix; the whole entrypoint if there is none."""
    try:
        words = shlex.split(entrypoint)
    except ValueError:  # an unclosed quote: another client submitted it
        words = []
    return next((PurePath(word).stem for word in words if word.endswith(".py")), entrypoint)


def number(value: object) -> float | None:
    """The value as a float if it is a number that a chart can show; otherwise None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        return None
    return float(value)


def amount(value: object) -> float | None:
    """The value as a float if it is a number of at least 0; otherwise None."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def given(value: float | None, otherwise: float | None) -> float | None:
    """The value, or the other one if it is None."""
    return otherwise if value is None else value
