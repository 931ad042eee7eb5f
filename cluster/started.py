"""What was started here, in .raydock/started.json: the cluster's kind, the sizes that were chosen for its nodes, and
those that `scale` gave its pools.

Docker can be asked what is there only while it runs; a pool without nodes is seen nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from raydock.state import write_private

NOTHING: Mapping[str, str] = MappingProxyType({})


def file_in(state: Path) -> Path:
    return state / "started.json"


def load(state: Path) -> dict[str, Any]:
    """{} where nothing is known."""
    try:
        found = json.loads(file_in(state).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def kind(state: Path) -> str:
    """The kind that was started last and not removed; "" where none was."""
    return str(load(state).get("kind", ""))


def sizes(state: Path) -> dict[str, int]:
    """The nodes of each pool that was scaled."""
    found = load(state).get("sizes", {})
    return {str(pool): count for pool, count in found.items() if isinstance(count, int)}


def chosen(state: Path) -> dict[str, str]:
    """The sizes that were fitted to the machine, by the name of their setting."""
    found = load(state).get("chosen", {})
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def begin(state: Path, kind: str, chosen: Mapping[str, str] = NOTHING) -> None:
    """Before anything is started."""
    save(state, {**load(state), "kind": kind, "chosen": dict(chosen)})


def scaled(state: Path, pool: str, count: int) -> None:
    save(state, {**load(state), "sizes": {**sizes(state), pool: count}})


def save(state: Path, found: Mapping[str, Any]) -> None:
    write_private(file_in(state), json.dumps(found, indent=1))


def remove(state: Path) -> None:
    file_in(state).unlink(missing_ok=True)
