"""JSON that a server answered: whatever it is, reading it ends in a value or in one kind of error.

A proxy, a sign-in page or a newer version may answer anything, so no part is taken for what it should be: what has
another type counts as absent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

# An escape in a string; of \uD8xx to \uDFxx a pair is one character, and one alone is none.
ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
YEAR_9000 = 221845392000.0
MOST = 2.0**63  # of a number: times, bytes and counts are less


def parsed(body: bytes) -> Any:
    """The value. Lone surrogates, which can't be sent or written again, become U+FFFD. Raises ValueError alone."""
    text = body.decode("utf-8-sig", "replace")
    try:
        return json.loads(ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def text(value: object) -> str:
    """A string; "" for anything else."""
    return value if isinstance(value, str) else ""


def number(value: object) -> float:
    """A number from 0 on; 0 for anything else, and for what no clock or disk holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return value if 0 <= value < MOST and math.isfinite(value) else 0


def moment(value: object) -> float:
    """Seconds since the epoch; 0 for anything else, and for what no calendar holds."""
    found = number(value)
    return found if found < YEAR_9000 else 0


def mapping(value: object, *names: str) -> Mapping[str, Any]:
    """The object that stands in `value` under these names, one in the other; an empty one for anything else."""
    for name in names:
        value = mapping(value).get(name)
    return value if isinstance(value, dict) else {}


def amounts(value: object) -> dict[str, float]:
    """The numbers of an object, by name; none for anything else."""
    return {name: number(much) for name, much in mapping(value).items()}


def rows(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; none for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """The strings of a list; none for anything else."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
