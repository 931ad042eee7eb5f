"""The flags --format and --filter of `gcloud`, as far as notebooks use them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from raydock.errors import UsageError
from vertex.gcloud.invocation import Invocation

FORMAT = {"--format": True}
LIST = {"--format": True, "--filter": True, "--limit": True}
Row = Mapping[str, Any]


def shown(row: Row, call: Invocation) -> list[str]:
    """One resource: YAML unless --format says otherwise."""
    return formatted([row], call.flag("--format") or "yaml")


def listed(rows: Sequence[Row], columns: Sequence[str], call: Invocation) -> list[str]:
    """Resources as a table of `columns`, unless --format says otherwise, and only those that --filter selects."""
    chosen = [row for row in rows if matches(row, call.flag("--filter"))]
    limit = call.flag("--limit")
    if limit.isdecimal():
        chosen = chosen[: int(limit)]
    if call.flag("--format"):
        return formatted(chosen, call.flag("--format"), many=True)
    table = [[spaced(name) for name in columns], *([text(row, name) for name in columns] for row in chosen)]
    widths = [max(len(row[n]) for row in table) for n in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def formatted(rows: Sequence[Row], template: str, many: bool = False) -> list[str]:
    """Rows as value(…), json or yaml; nothing for an empty template. Raises UsageError for any other."""
    if not template:
        return []
    if found := re.fullmatch(r"(?:value|get)\(([\w., ]+)\)", template):
        names = [name.strip() for name in found[1].split(",")]
        return ["\t".join(text(row, name) for name in names) for row in rows]
    whole: Any = [dict(row) for row in rows] if many else dict(rows[0])
    if template == "json":
        return json.dumps(whole, indent=2).splitlines()
    if template == "yaml":
        import yaml

        return str(yaml.safe_dump(whole)).splitlines()
    raise UsageError(
        f"The lab's gcloud has no --format={template}.", "use --format='value(NAME)', json or yaml"
    )


def matches(row: Row, condition: str) -> bool:
    """Whether a row meets NAME:VALUE or NAME=VALUE. Raises UsageError for any other condition."""
    if not condition:
        return True
    found = re.fullmatch(r"([\w.]+)\s*[:=]\s*(['\"]?)(.*)\2", condition.strip())
    if not found or " " in found[3]:
        raise UsageError(f"The lab's gcloud has no --filter={condition!r}.", "use --filter=NAME=VALUE")
    return text(row, found[1]).lower() == found[3].lower()


def text(row: Row, path: str) -> str:
    """The value at a dotted path, whose names may be written in any case and with underscores; "" for none."""
    value: Any = row
    for part in path.split("."):
        keys = {plain(key): key for key in value} if isinstance(value, Mapping) else {}
        value = value[keys[plain(part)]] if plain(part) in keys else ""
    return str(value)


def plain(name: str) -> str:
    """A name without underscores, in lower case."""
    return name.replace("_", "").lower()


def spaced(name: str) -> str:
    """The head of a column: projectId becomes PROJECT_ID."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
