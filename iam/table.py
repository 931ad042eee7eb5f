"""Text for 80 columns: the table of who may do what, and sentences that hang below their start."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from iam.effective_access import AccessReport, AccessRow
from iam.policy.evaluate import Verdict

WIDTH = 80
HEADS = (("", "READ"), ("", "LIST"), ("", "WRITE"), ("OVER-", "WRITE"), ("", "DELETE"), ("SET", "POLICY"))
SIZES = tuple(max(map(len, head)) for head in HEADS)
LEFT = WIDTH - sum(SIZES) - len(SIZES)  # columns for members and roles
CELLS = {Verdict.GRANTED: "yes", Verdict.DENIED: "no", Verdict.UNKNOWN: "?"}


def table(picture: AccessReport) -> Iterator[str]:
    """A member on a line of its own, its roles below, the verdicts at the right of the first one."""
    of = f", a bucket of project {picture.project}" if picture.project else ""
    yield from wrapped("", picture.uri + of)
    yield ""
    yield line("MEMBER", tuple(head[0] for head in HEADS))
    yield line("  role (where from)", tuple(head[1] for head in HEADS))
    yield "-" * WIDTH
    for row in picture.rows:
        yield from row_lines(row)
    unknown = [row for row in picture.rows if any(one.verdict is Verdict.UNKNOWN for one in row.may.values())]
    if unknown or picture.notes:
        yield ""
    yield from wrapped("? ", reason(unknown[0])) if unknown else ()
    for note in picture.notes:
        yield from wrapped("", note)


def row_lines(row: AccessRow) -> Iterator[str]:
    member = row.member + (f"  ({row.remark})" if row.remark else "")
    yield from wrapped("", member, hang="    ")
    cells = tuple(CELLS[one.verdict] for one in row.may.values())
    texts = [part for held in row.held for part in folded(str(held))] or ["  no role"]
    for text in texts:
        yield line(text, cells)
        cells = ()


def reason(row: AccessRow) -> str:
    """Why the first of its question marks is one."""
    why = next(one.why for one in row.may.values() if one.verdict is Verdict.UNKNOWN)
    return f"not known; for {row.member}: {why}."


def folded(text: str) -> list[str]:
    return textwrap.wrap(text, LEFT, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def line(text: str, cells: tuple[str, ...]) -> str:
    body = "".join(f" {cell:<{size}}" for cell, size in zip(cells, SIZES, strict=False))
    return f"{text:<{LEFT}}{body}".rstrip()


def wrapped(start: str, text: str, hang: str | None = None, width: int = WIDTH) -> list[str]:
    """Text that hangs below its start."""
    indent = " " * len(start) if hang is None else hang
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)
