"""Checks of the script's declared dependencies, and of its syntax against the cluster's Python."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterable

from raydock.rayapi.cluster_info import ClusterInfo

from ..findings import Finding, denied
from ..plan import JobPlan


def check_dependencies(plan: JobPlan) -> Iterable[Finding]:
    """Check that the cluster can reach the source of every dependency."""
    for dependency, why in plan.header.refused.items():
        yield denied(
            "dependencies",
            f"{plan.name}: {dependency} {why}.",
            "send the package's folder with --working-dir, or give a URL that the cluster can reach: NAME @ https://…",
        )


def check_syntax(plan: JobPlan, facts: ClusterInfo) -> Iterable[Finding]:
    """Check that the cluster's Python, if older than this one, can parse every module."""
    parts = facts.python.split(".")
    minor = int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else sys.version_info.minor
    for name, source in plan.sources.items() if minor < sys.version_info.minor else ():
        if fault := newer_syntax(source, minor):
            line, what = fault
            yield denied(
                "python",
                f"{name}:{line} {what}, but the cluster runs Python {facts.python}.",
                f"use syntax that Python 3.{minor} supports",
            )


def newer_syntax(source: bytes, minor: int) -> tuple[int, str] | None:
    """The first line that Python 3.`minor` cannot parse, and why."""
    try:
        ast.parse(source, feature_version=(3, minor))
    except SyntaxError as fault:
        return fault.lineno or 1, f"is not valid Python 3.{minor}: {fault.msg}"
    except (ValueError, RecursionError, MemoryError):
        return None
    if minor >= 12 or sys.version_info.minor < 12:
        return None
    tokens = tokenize.tokenize(io.BytesIO(source).readline)
    return newer_string((tokenize.tok_name[one.type], one.string, one.start[0]) for one in tokens)


def newer_string(tokens: Iterable[tuple[str, str, int]]) -> tuple[int, str] | None:
    """The first f-string that requires Python 3.12 or later, and why: https://peps.python.org/pep-0701/

    tokens: the kind, text and line of each token, from Python 3.12 or later.
    """
    quotes: list[str] = []
    for kind, text, line in tokens:
        what = ""
        if kind in ("FSTRING_START", "TSTRING_START"):
            quote = text.lstrip("fFrRbBtT")
            what = "its own quotes" if any(outer in quote for outer in quotes) else ""
            quotes.append(quote)
        elif kind in ("FSTRING_END", "TSTRING_END"):
            quotes.pop()
        elif quotes and kind == "STRING":
            what = "a backslash" if "\\" in text else ""
            what = "its own quotes" if any(quote in text for quote in quotes) else what
        elif quotes and (kind == "COMMENT" or (kind == "NL" and len(quotes[0]) == 1)):
            what = "more than one line"
        if what:
            return line, f"has {what} inside the braces of an f-string, which requires Python 3.12"
    return None
