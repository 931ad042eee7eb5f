"""Lays out text for a terminal: wrapped sentences, commands that can be copied, and tables with aligned columns."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import TextIO

from .status_line import columns_of

NARROWEST = 60  # columns; text is not wrapped more tightly
INDENT = "    "
UNLIMITED = 10_000  # columns in a file, whose lines are not wrapped
# A command, an option or a link to copy, at the start of a text or after a colon, an arrow or "watch".
COPIED = re.compile(
    r"(?:^|: +|→ |\bwatch )((?:(?:python3?|gcloud|docker|pip|sudo|rm|export|unset) |make (?:setup|[a-z]+-[a-z]+)\b|--\w|https?://).*)"
)
QUOTED = re.compile(r"`[^`]*`")
HARD_SPACE = "\ufdd0"  # a noncharacter, which no text contains


def columns(stream: TextIO) -> int:
    """Columns of the terminal, at least 60; 10,000 if the stream is not one, so that files are not wrapped."""
    return max(NARROWEST, shutil.get_terminal_size((80, 24)).columns) if stream.isatty() else UNLIMITED


def wrap(
    text: str, width: int, start: str = "", hang: str | None = None, break_words: bool = False
) -> list[str]:
    """Wrap text after `start`, further lines after `hang` (by default as far to the right as `start` ends).

    Commands in backticks are never broken, and words only if `break_words` is set.
    """
    indent = " " * len(start) if hang is None else hang
    kept = QUOTED.sub(lambda found: found[0].replace(" ", HARD_SPACE), text)
    lines = textwrap.wrap(
        kept,
        width,
        initial_indent=start,
        subsequent_indent=indent,
        break_long_words=break_words,
        break_on_hyphens=False,
    )
    return [line.replace(HARD_SPACE, " ") for line in lines]


def hanging(start: str, text: str, width: int) -> list[str]:
    """Wrap text after `start`. A command or a link at its end is never wrapped: a long one moves to a separate line.

    That line is not indented, so that a terminal copies it as one line.
    """
    found = COPIED.search(text)
    if not found or columns_of(start + text) <= width:
        return below(start, text, width)
    before = text[: found.start(1)].rstrip()
    return [*(below(start, before, width) if before else ()), found[1]]


def below(start: str, text: str, width: int) -> list[str]:
    """Wrap text after `start`, or below it with less indent if a word such as an account would not fit there."""
    longest = max(map(columns_of, text.split()), default=0)
    if columns_of(start) + longest <= width or len(start) <= len(INDENT) or not start.strip():
        return wrap(text, width, start)
    return [start.rstrip(), *wrap(text, width, INDENT)]


def copyable(line: str, width: int) -> list[str]:
    """A finished line. A command or a link at its end that does not fit moves to a separate line."""
    found = COPIED.search(line)
    if not found or columns_of(line) <= width:
        return [line]
    before = line[: found.start(1)].rstrip()
    return [*([before] if before.strip(" →") else []), found[1]]


def table(rows: Sequence[Sequence[str]], width: int = UNLIMITED) -> list[str]:
    """Rows of cells as lines with aligned columns, two spaces apart. The last column is wrapped to `width`."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    lines: list[str] = []
    for *cells, last in rows:
        start = "".join(f"{cell:<{size}}  " for cell, size in zip(cells, widths, strict=True))
        line = start + last
        lines += [line.rstrip()] if len(line) <= width else wrap(last, width, start)
    return lines


def clip(text: str, width: int) -> str:
    """Shorten the text to `width` characters, with an ellipsis."""
    return text if len(text) <= width else text[: width - 1] + "…"
