"""The table of who may do what on a bucket, for 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from iam.effective_access import AccessReport, AccessRow
from iam.policy.evaluate import Verdict

WIDTH = 80
HEADINGS = (("", "READ"), ("", "LIST"), ("", "WRITE"), ("OVER-", "WRITE"), ("", "DELETE"), ("SET", "POLICY"))
CELL_WIDTHS = tuple(max(map(len, heading)) for heading in HEADINGS)
NAME_WIDTH = WIDTH - sum(CELL_WIDTHS) - len(CELL_WIDTHS)  # columns for members and roles
CELLS = {Verdict.GRANTED: "yes", Verdict.DENIED: "no", Verdict.UNKNOWN: "?"}


def table(report: AccessReport) -> Iterator[str]:
    """The lines of the table: each member on its own line, with its roles below and the verdicts beside the first."""
    project = f", a bucket in project {report.project}" if report.project else ""
    yield from wrapped("", report.uri + project)
    yield ""
    yield line("MEMBER", tuple(heading[0] for heading in HEADINGS))
    yield line("  role (granted on)", tuple(heading[1] for heading in HEADINGS))
    yield "-" * WIDTH
    for row in report.rows:
        yield from row_lines(row)
    unknown = [row for row in report.rows if any(one.verdict is Verdict.UNKNOWN for one in row.may.values())]
    if unknown or report.notes:
        yield ""
    yield from wrapped("? ", reason(unknown[0])) if unknown else ()
    for note in report.notes:
        yield from wrapped("", note)


def row_lines(row: AccessRow) -> Iterator[str]:
    """The lines of one member."""
    member = row.member + (f"  ({row.remark})" if row.remark else "")
    yield from wrapped("", member, hang="    ")
    cells = tuple(CELLS[one.verdict] for one in row.may.values())
    texts = [part for held in row.held for part in folded(str(held))] or ["  no role"]
    for text in texts:
        yield line(text, cells)
        cells = ()


def reason(row: AccessRow) -> str:
    """Why the first question mark of a row is one."""
    why = next(one.why for one in row.may.values() if one.verdict is Verdict.UNKNOWN)
    return f"unknown; for {row.member}: {why}."


def folded(text: str) -> list[str]:
    """Wrap a role to the width of the first column."""
    return textwrap.wrap(
        text, NAME_WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )


def line(text: str, cells: tuple[str, ...]) -> str:
    """One line of the table: a name and its cells."""
    body = "".join(f" {cell:<{size}}" for cell, size in zip(cells, CELL_WIDTHS, strict=False))
    return f"{text:<{NAME_WIDTH}}{body}".rstrip()


def wrapped(start: str, text: str, hang: str | None = None, width: int = WIDTH) -> list[str]:
    """Wrap text with a hanging indent below `start`; `hang` is the indent if it is a different one."""
    indent = " " * len(start) if hang is None else hang
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)
