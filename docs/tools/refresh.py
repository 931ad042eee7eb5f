"""Runs the commands shown on the pages against a running lab, and updates their output.

    python -m docs.tools.refresh [PAGE ...]

A comment marks the block below it. `head` and `tail` limit the number of lines, and `…` marks the omitted ones:

    <!-- output head=3 tail=8: python submit.py jobs/whoami.py -->
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from docs.tools.terminal import UNWRAPPED, screen_after, text_of
from raydock.settings import ROOT

MARKED = re.compile(
    r"(?P<mark>^<!-- output(?: head=(?P<head>\d+))?(?: tail=(?P<tail>\d+))?: (?P<command>.+?) -->\n)"
    r"```(?P<language>\w*)\n.*?^```$",
    re.MULTILINE | re.DOTALL,
)


def refreshed(page: str) -> str:
    """The page with updated output for every marked command."""

    def block(found: re.Match[str]) -> str:
        print(f"$ {found['command']}", file=sys.stderr, flush=True)
        lines = limited([text_of(line) for line in screen_after(found["command"], UNWRAPPED)], found)
        shown = "\n".join([f"$ {found['command']}", *lines])
        return f"{found['mark']}```{found['language']}\n{shown}\n```"

    return MARKED.sub(block, page)


def limited(lines: Sequence[str], found: re.Match[str]) -> list[str]:
    """The first and last lines that the marker selects, or all lines if it has no limits."""
    head, tail = int(found["head"] or 0), int(found["tail"] or 0)
    if not (head or tail) or head + tail >= len(lines):
        return list(lines)
    return [*lines[:head], " …", *(lines[-tail:] if tail else ())]


def main(words: Sequence[str]) -> None:
    """Refresh the given pages, or all pages."""
    pages = [Path(word) for word in words] or [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        if (fresh := refreshed(text)) != text:
            path.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
