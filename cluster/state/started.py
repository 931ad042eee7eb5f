"""Records what was started from this checkout, in `.raydock/started.json`.

The record contains the runtime, the sizes fitted to the machine, and the pool sizes set by `scale`. Docker is not
enough: it can be queried only while its engine is running, and a pool scaled to 0 leaves no trace there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from raydock.state import write_private

NOTHING: Mapping[str, str] = MappingProxyType({})


def path_in(state: Path) -> Path:
    """The record's path in the state folder."""
    return state / "started.json"


def load(state: Path) -> dict[str, Any]:
    """The record, or {} if it does not exist or can't be read."""
    try:
        found = json.loads(path_in(state).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def runtime(state: Path) -> str:
    """The runtime of the cluster that was started and has not been removed, or "" if there is none."""
    return str(load(state).get("kind", ""))


def sizes(state: Path) -> dict[str, int]:
    """The number of nodes in each pool that was scaled."""
    found = load(state).get("sizes", {})
    return {str(pool): count for pool, count in found.items() if isinstance(count, int)}


def chosen(state: Path) -> dict[str, str]:
    """The sizes that were fitted to the machine, keyed by setting."""
    found = load(state).get("chosen", {})
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def begin(state: Path, runtime: str, chosen: Mapping[str, str] = NOTHING) -> None:
    """Record the runtime and the sizes that were fitted to the machine. Called before anything is started."""
    save(state, {**load(state), "kind": runtime, "chosen": dict(chosen)})


def scaled(state: Path, pool: str, count: int) -> None:
    """Record the size that `scale` set for a pool."""
    save(state, {**load(state), "sizes": {**sizes(state), pool: count}})


def keep_data(state: Path, runtime: str) -> None:
    """Record that `down` kept the lab's data on this runtime."""
    save(state, {"data": [*data(state), runtime]})


def data(state: Path) -> list[str]:
    """The runtimes on which `down` kept the lab's data."""
    found = load(state).get("data", [])
    return [str(name) for name in found] if isinstance(found, list) else []


def save(state: Path, found: Mapping[str, Any]) -> None:
    """Write the record."""
    write_private(path_in(state), json.dumps(found, indent=1))


def remove(state: Path) -> None:
    """Delete the record if it exists."""
    path_in(state).unlink(missing_ok=True)
