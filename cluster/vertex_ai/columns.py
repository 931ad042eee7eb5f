"""Aligned columns and wrapped text, 80 columns wide with typical names."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

WIDTH = 80


def grid(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns. Long values are wrapped, but words such as addresses are never broken."""
    lines = []
    for name, value in pairs:
        for part in textwrap.wrap(value, WIDTH - 14, break_long_words=False, break_on_hyphens=False):
            lines.append(f"{name:<12}  {part}")
            name = ""
    return "\n".join(lines)
