"""Parse a server's JSON: any response yields a value or a ValueError.

A proxy, a sign-in page or a newer version may return anything, so no structure is assumed: a part of an unexpected
type counts as absent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

# An escape in a string. Two surrogates (\uD800 to \uDFFF) form one character; a lone one is invalid.
ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
YEAR_9000 = 221845392000.0
MOST = 2.0**63  # the limit for numbers; all times, sizes and counts are smaller


def parsed(body: bytes) -> Any:
    """Parse JSON. Lone surrogates, which can't be encoded again, become U+FFFD. Raises only ValueError."""
    text = body.decode("utf-8-sig", "replace")
    try:
        return json.loads(ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def text(value: object) -> str:
    """A string; "" for any other type."""
    return value if isinstance(value, str) else ""


def number(value: object) -> float:
    """A non-negative number; 0 for any other type, and for values that no clock or disk can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return value if 0 <= value < MOST and math.isfinite(value) else 0


def moment(value: object) -> float:
    """Seconds since the epoch; 0 for any other type, and for times beyond the calendar."""
    found = number(value)
    return found if found < YEAR_9000 else 0


def mapping(value: object, *names: str) -> Mapping[str, Any]:
    """The object at the path `names` in `value`; an empty one if there is none."""
    for name in names:
        value = mapping(value).get(name)
    return value if isinstance(value, dict) else {}


def amounts(value: object) -> dict[str, float]:
    """An object's numbers, keyed by name; empty for any other type."""
    return {name: number(much) for name, much in mapping(value).items()}


def rows(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; empty for any other type."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """The strings in a list; empty for any other type."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
