"""Formats the table of who may do what on a bucket, for 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from iam.effective_access import AccessReport, AccessRow
from iam.policy.evaluate import Verdict
from raydock.terminal.layout import wrap

WIDTH = 80
HEADINGS = (("", "READ"), ("", "LIST"), ("", "WRITE"), ("OVER-", "WRITE"), ("", "DELETE"), ("SET", "POLICY"))
CELL_WIDTHS = tuple(max(map(len, heading)) for heading in HEADINGS)
NAME_WIDTH = WIDTH - sum(CELL_WIDTHS) - len(CELL_WIDTHS)  # columns for members and roles
CELLS = {Verdict.GRANTED: "yes", Verdict.DENIED: "no", Verdict.UNKNOWN: "?"}


def table(report: AccessReport) -> Iterator[str]:
    """The lines of the table: for each member, its name, then its roles. The first role's line has the verdicts."""
    project = f", a bucket in project {report.project}" if report.project else ""
    yield from wrap(report.uri + project, WIDTH, break_words=True)
    yield ""
    yield line("MEMBER", tuple(heading[0] for heading in HEADINGS))
    yield line("  role (granted on)", tuple(heading[1] for heading in HEADINGS))
    yield "-" * WIDTH
    for row in report.rows:
        yield from row_lines(row)
    unknown = [row for row in report.rows if any(one.verdict is Verdict.UNKNOWN for one in row.may.values())]
    if unknown or report.notes:
        yield ""
    yield from wrap(reason(unknown[0]), WIDTH, "? ", break_words=True) if unknown else ()
    for note in report.notes:
        yield from wrap(note, WIDTH, break_words=True)


def row_lines(row: AccessRow) -> Iterator[str]:
    """The lines of one member."""
    member = row.member + (f"  ({row.remark})" if row.remark else "")
    yield from wrap(member, WIDTH, hang="    ", break_words=True)
    cells = tuple(CELLS[one.verdict] for one in row.may.values())
    texts = [
        part for held in row.held for part in wrap(str(held), NAME_WIDTH, "  ", hang="    ", break_words=True)
    ] or ["  no role"]
    for text in texts:
        yield line(text, cells)
        cells = ()


def reason(row: AccessRow) -> str:
    """The reason for the first question mark in a row."""
    why = next(one.why for one in row.may.values() if one.verdict is Verdict.UNKNOWN)
    return f"unknown, for example for {row.member}: {why}."


def line(text: str, cells: tuple[str, ...]) -> str:
    """One line of the table: a name and its cells."""
    body = "".join(f" {cell:<{size}}" for cell, size in zip(cells, CELL_WIDTHS, strict=False))
    return f"{text:<{NAME_WIDTH}}{body}".rstrip()
