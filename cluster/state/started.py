"""What was started from this checkout (`.raydock/started.json`): the runtime, the sizes fitted to the machine, and the
pool sizes set by `scale`.

Docker can be asked only while its engine is running, and a pool scaled to 0 leaves no trace there.
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
    """The path of the record in the state folder."""
    return state / "started.json"


def load(state: Path) -> dict[str, Any]:
    """The record, or {} if there is no readable one."""
    try:
        found = json.loads(path_in(state).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def runtime(state: Path) -> str:
    """The runtime of the cluster that was started and not yet removed, or ""."""
    return str(load(state).get("kind", ""))


def sizes(state: Path) -> dict[str, int]:
    """The number of nodes of each pool that was scaled."""
    found = load(state).get("sizes", {})
    return {str(pool): count for pool, count in found.items() if isinstance(count, int)}


def chosen(state: Path) -> dict[str, str]:
    """The sizes that were fitted to the machine, by setting."""
    found = load(state).get("chosen", {})
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def begin(state: Path, runtime: str, chosen: Mapping[str, str] = NOTHING) -> None:
    """Record the runtime and the sizes that were fitted to the machine, before anything is started."""
    save(state, {**load(state), "kind": runtime, "chosen": dict(chosen)})


def scaled(state: Path, pool: str, count: int) -> None:
    """Record the size that `scale` gave a pool."""
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
    """Delete the record, if there is one."""
    path_in(state).unlink(missing_ok=True)
