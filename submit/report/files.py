"""Write the pages: one job's page, or a report on several jobs and a page for each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from raydock.errors import UsageError
from raydock.units import counted

from ..results.history import UnreadableRecord
from . import job_page, overview_page
from .overview_page import Overview
from .run import Run, run_of
from .selection import select

DEFAULT = Path("report.html")
LONGEST_NAME = 200  # characters; file systems allow 255


@dataclass(frozen=True, slots=True)
class Written:
    """What the pages cover, the files to open, and an error for each saved result that was left out."""

    note: str
    paths: Sequence[Path]
    faults: Sequence[UnreadableRecord] = ()


def write(operands: Sequence[str], output: Path | None) -> Written:
    """Write the given job's page, or a report on several jobs. Raises UsageError."""
    selection = select(operands)
    runs = [run_of(record) for record in selection.records]
    if len(operands) == 1 and len(runs) == 1:
        return write_job(runs[0], output)
    output = output or DEFAULT
    names = [str(fault.path) for fault in selection.unreadable]
    report = Overview(runs, lambda run: quote(f"{folder_of(output).name}/{file_name(run)}"), names)
    markdown = output.with_suffix(".md")
    pages = {output: overview_page.html(report), markdown: overview_page.text(report)}
    pages |= {
        folder_of(output) / file_name(run): job_page.html(run, f"../{quote(output.name)}") for run in runs
    }
    save(pages)
    return Written(f"report on {counted(len(runs), 'result')}:", [output, markdown], selection.unreadable)


def write_job(run: Run, output: Path | None) -> Written:
    """Write one job's page, by default to the path that the report on all jobs links to."""
    path = output or folder_of(DEFAULT) / file_name(run)
    home = f"../{DEFAULT}" if output is None and DEFAULT.is_file() else None
    save({path: job_page.html(run, home)})
    return Written(f"report on {run.record.submission_id}:", [path])


def folder_of(output: Path) -> Path:
    """The folder for the jobs' pages, next to the report."""
    return output.with_name(f"{output.stem}-jobs")


def file_name(run: Run) -> str:
    """The file name of a job's page. Ids from other clients may contain slashes or would make it a hidden file."""
    name = quote(run.record.submission_id, safe="", errors="backslashreplace")[:LONGEST_NAME]
    return re.sub(r"^\.", "%2E", name) + ".html"


def save(pages: Mapping[Path, str]) -> None:
    """Write the files. Raises UsageError."""
    for path, content in pages.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as fault:
            raise UsageError(
                f"Can't write the report to {path}: {fault.strerror}.", "choose another path for --output"
            ) from None
