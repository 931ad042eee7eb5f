"""The text and the JSON that `python -m cluster fault` and `status` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.fault.client import ActiveFault
from cluster.fault.options import PROG
from raydock import units
from raydock.faults import SHARED
from raydock.terminal.layout import table

HEADINGS = ("ID", "ENDS IN", "HIT", "FAULT")


def listed(found: Sequence[ActiveFault]) -> str:
    """The active faults as a table."""
    return "\n".join(table([HEADINGS, *map(cells, found)])) if found else "No faults."


def cells(one: ActiveFault) -> tuple[str, ...]:
    """The cells of one row."""
    hit = f"{one.hits} of {one.calls}" if one.fault.kind in SHARED else "-"
    return one.id, units.span(one.seconds_left), hit, str(one.fault)


def started(one: ActiveFault) -> str:
    """What was started, how to repeat it and how to end it."""
    repeat = f" (--seed {one.fault.seed})" if one.fault.kind in SHARED and one.fault.share < 100 else ""
    sentence = f"For {units.span(one.seconds_left + 0.5)}, {one.fault}{repeat}."
    return f"{sentence}\nTo end it now: {PROG} clear {one.id}"


def cleared(found: Sequence[ActiveFault]) -> str:
    """What was ended."""
    return "\n".join(f"Ended: {one.fault}." for one in found) or "No faults."


def as_json(found: Sequence[ActiveFault]) -> list[dict[str, Any]]:
    """The faults as `list --json` and `status --json` print them."""
    return [
        {
            "id": one.id,
            **one.fault.as_json(),
            "seconds_left": round(one.seconds_left, 1),
            "calls": one.calls,
            "hits": one.hits,
        }
        for one in found
    ]
