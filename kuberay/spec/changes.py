"""What differs between two versions of an object. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

KEYS = ("groupName", "name")  # of the objects in a list, by which they are matched
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One field. `before` and `after` are its values as text, "" if it is not there."""

    path: str  # such as spec.workerGroupSpecs[cpu-worker].replicas
    before: str
    after: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The fields of the spec and the labels that differ; other metadata and the status are the server's."""
    return [
        *compared("metadata.labels", labels(before), labels(after)),
        *compared("spec", before.get("spec", {}), after.get("spec", {})),
    ]


def labels(found: Mapping[str, Any]) -> Any:
    """The labels of an object."""
    return (found.get("metadata") or {}).get("labels") or {}


def compared(path: str, before: Any, after: Any) -> Iterator[Change]:
    """The differences below a path."""
    if before == after:
        return
    one, two = keyed(before), keyed(after)
    if one is None or two is None:
        yield Change(path, shown(before), shown(after))
        return
    for key in {**one, **two}:
        below = f"{path}[{key}]" if isinstance(before, list) else f"{path}.{key}"
        yield from compared(below, one.get(key, ABSENT), two.get(key, ABSENT))


def keyed(value: Any) -> Mapping[str, Any] | None:
    """The parts of an object, or of a list of named objects; None for anything else."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return None
    for key in KEYS:
        names = [one.get(key) for one in value]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return dict(zip(names, value, strict=True))
    return None


def shown(value: Any) -> str:
    """A value as text: an object by its name only."""
    if value is ABSENT:
        return ""
    if isinstance(value, dict):
        return next((f"{{{value[key]}}}" for key in KEYS if key in value), "{…}")
    return value if isinstance(value, str) else json.dumps(value)
