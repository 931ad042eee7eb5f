"""Draws a real terminal session as an SVG file.

python -m docs.tools.picture FILE.svg COMMAND [COMMAND ...]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from docs.tools.terminal import COLUMNS, screen_after

CHARACTER, LINE, MARGIN, BAR = 8.4, 19, 16, 32  # pixels
FOREGROUND, BACKGROUND, DIM = "#d5d9e0", "#16191f", "#8b93a1"
COLORS = {
    "default": FOREGROUND,
    "black": "#5c6370",
    "red": "#f2777a",
    "green": "#8fd18a",
    "brown": "#e6c26c",
    "blue": "#7ab3ef",
    "magenta": "#cf9fe8",
    "cyan": "#6fc9d3",
    "white": "#ffffff",
}


def picture(commands: Sequence[str]) -> str:
    """An SVG of a session in which these commands are run one after another."""
    rows = []
    for command in commands:
        rows += [prompt(command), *(spans(line) for line in screen_after(command)), []]
    rows.pop()
    return svg(rows)


def prompt(command: str) -> list[tuple[int, str, str, bool]]:
    """The prompt line with a command."""
    return [(0, "$", DIM, False), (2, command, FOREGROUND, True)]


def spans(line: Sequence[Any]) -> list[tuple[int, str, str, bool]]:
    """Splits a line into spans of the same style: column, text, color, bold."""
    found, column = [], 0
    for look, group in groupby(line, key=lambda char: (char.fg, char.bold)):
        text = "".join(char.data for char in group)
        if text.strip():
            indent = len(text) - len(text.lstrip())
            found.append((column + indent, text.strip(), color(look[0]), bool(look[1])))
        column += len(text)
    return found


def color(name: str) -> str:
    """The SVG color for a pyte color, which is a name or six hexadecimal digits."""
    name = name.removeprefix("bright")
    return COLORS.get(name, f"#{name}" if len(name) == 6 else FOREGROUND)


def svg(rows: Sequence[Iterable[tuple[int, str, str, bool]]]) -> str:
    """The SVG of a window that contains the rows."""
    width, height = COLUMNS * CHARACTER + 2 * MARGIN, len(rows) * LINE + BAR + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        *(f'<circle cx="{MARGIN + 4 + 20 * n}" cy="16" r="5.5" fill="#3a404b"/>' for n in range(3)),
    ]
    for number, row in enumerate(rows):
        y = BAR + LINE * number + 14
        for column, text, fill, bold in row:
            weight = ' font-weight="600"' if bold else ""
            parts.append(
                f'<text x="{MARGIN + column * CHARACTER:g}" y="{y}" fill="{fill}"{weight} xml:space="preserve" '
                f'textLength="{len(text) * CHARACTER:g}">{escape(text)}</text>'
            )
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(sys.argv[2:]), encoding="utf-8")
