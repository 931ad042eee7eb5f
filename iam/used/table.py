"""Formats the report as text for 80 columns."""

from __future__ import annotations

import json
from collections.abc import Iterator

from iam.storage.progress import readable
from iam.used.report import Touched, UsedReport
from raydock.terminal.layout import wrap
from raydock.terminal.printable import json_printable, printable
from raydock.units import counted

WIDTH = 80
SHORT = "storage."


def table(report: UsedReport) -> Iterator[str]:
    """The lines of the report."""
    jobs = ", ".join(one.run.submission_id for one in report.runs)
    if not report.decisions:
        yield from wrapped(f"{jobs} made no calls to Google Cloud, so it needs no roles.")
        yield from (line for caveat in report.caveats() for line in wrapped(caveat, "! "))
        return
    if report.principals:  # each on a line that is never wrapped, so that it can be copied
        yield from (*wrapped(f"{jobs} ran as"), *(f"  {printable(one)}" for one in report.principals))
    yield from (line for caveat in report.caveats() for line in wrapped(caveat, "! "))
    yield from used_lines(report)
    yield from needed_lines(report)
    yield from beyond_lines(report)
    yield from header_lines(report)


def proof(report: UsedReport) -> str:
    """The command that shows that the roles are enough. On one line, so that it can be copied."""
    flags = " ".join(f"--as-least {one.run.submission_id}" for one in report.runs)
    return printable(f"Prove it: python submit.py {flags} SCRIPT")


def used_lines(report: UsedReport) -> Iterator[str]:
    """What was used, and what was refused."""
    yield from ("", "USED")
    for one in report.touched:
        yield from wrapped(one.uri + amounts(one), "  ", "      ")
        calls = ", ".join(f"{name.removeprefix(SHORT)} ({count:,})" for name, count in one.calls.items())
        yield from wrapped(calls, "    ")
    if report.denied:
        yield from ("", "DENIED")
        for each in report.denied:
            inside = f"/{each.name}" if each.name else ""
            where = f"gs://{each.bucket}{inside}" if each.bucket else each.resource
            yield from wrapped(
                f"{each.permission} on {where} ({counted(each.count, 'call')})", "  ", "      "
            )


def amounts(one: Touched) -> str:
    """The numbers of objects and bytes, if there are any."""
    parts = [counted(one.objects, "object")] if one.objects > 1 else []
    parts += [f"{readable(one.read)} read"] if one.read else []
    parts += [f"{readable(one.written)} written"] if one.written else []
    return f"  {', '.join(parts)}" if parts else ""


def needed_lines(report: UsedReport) -> Iterator[str]:
    """The roles, and what no role covers."""
    grants = report.grants
    if grants.grants:
        yield from ("", "NEEDED  the smallest set of roles")
    for one in grants.grants:
        limit = f", only for objects under {one.prefix}" if one.prefix else ""
        yield from wrapped(f"{one.role} on {one.resource}{limit}", "  ", "      ")
    if any(one.prefix.endswith("/") for one in grants.grants):
        text = "The check of a folder in the header asks for storage.objects.list, too, which is not in these roles: "
        yield from wrapped(text + "submit with --skip-check=storage.", "  ")
    for each in grants.uncovered:
        text = (
            f"No narrow role on {each.target} includes {', '.join(each.permissions)}: ask for a custom role."
        )
        yield from wrapped(text, "  ")
    if report.again:
        yield from wrapped("This includes replacing the objects that the run created.", "  ")
    elif report.creates:
        where = " and ".join(report.creates)
        text = f"Running it again replaces objects in {where}, which also needs storage.objects.delete: add --again."
        yield from wrapped(text, "  ")


def beyond_lines(report: UsedReport) -> Iterator[str]:
    """What the identity holds in excess."""
    if not report.beyond:
        return
    yield from ("", "HELD AND NOT USED")
    for one in report.beyond:
        unused = "" if one.used else ", which it did not use"
        yield from wrapped(f"gs://{one.bucket}{unused}", "  ")
        yield from wrapped(", ".join(name.removeprefix(SHORT) for name in one.permissions), "    ")
        yield from wrapped(f"through {', '.join(one.roles)}", "    ", "      ")


def header_lines(report: UsedReport) -> Iterator[str]:
    """What the header should declare."""
    header = report.header
    yield from ("", "HEADER  " + ("declares exactly this" if header.accurate else "should declare"))
    for kind, entries in header.proposed.as_json().items():
        if entries:
            yield f"  # {kind} = {toml(entries)}"
    for kind, entry in header.missing if header.declared else ():
        yield from wrapped(f"{kind} lacks {toml_text(entry)}", "  + ")
    for kind, entry in header.unused:
        yield from wrapped(f"{kind} declares {toml_text(entry)}, which the run did not use", "  - ")


def toml(entries: list[str]) -> str:
    """A list of strings in TOML."""
    return f"[{', '.join(map(toml_text, entries))}]"


def toml_text(text: str) -> str:
    """A string in TOML, whose escapes are those of JSON. Nothing in it is invisible or moves the cursor."""
    return json_printable(json.dumps(text, ensure_ascii=False)).replace("\x7f", "\\u007f")


def wrapped(text: str, start: str = "", hang: str | None = None) -> list[str]:
    """Lines of text, with unsafe characters escaped before they are measured."""
    return wrap(printable(text), WIDTH, start, hang, break_words=True)
