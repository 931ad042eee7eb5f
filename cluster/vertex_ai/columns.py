"""Aligned columns and wrapped text, 80 columns wide with typical names."""

from __future__ import annotations

from collections.abc import Sequence

from raydock.terminal.layout import table, wrap

WIDTH = 80


def grid(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned columns."""
    return "\n".join(table(lines))


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns. Long values are wrapped, but words such as addresses are never broken."""
    return "\n".join(line for name, value in pairs for line in wrap(value, WIDTH, f"{name:<12}  "))
