"""Aligns columns and wraps text. With typical names, the result is 80 columns wide."""

from __future__ import annotations

from collections.abc import Sequence

from raydock.terminal.layout import table, wrap

WIDTH = 80


def grid(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned columns."""
    return "\n".join(table(lines))


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns. Long values are wrapped, but never inside a word, such as an address."""
    return "\n".join(line for name, value in pairs for line in wrap(value, WIDTH, f"{name:<12}  "))
