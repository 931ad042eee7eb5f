"""Which files .dockerignore excludes from the build context.

Reference: https://docs.docker.com/build/concepts/context/#dockerignore-files. The docker package implements it too, but
takes 50 ms for this checkout, and `cluster up` needs it each time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

TOKEN = re.compile(r"\*\*/?|\*|\?|\[[^\]]*\]|\\.|.")
Rule = tuple[bool, re.Pattern[str]]  # whether it excludes, and the paths that it is about


def rules(text: str) -> list[Rule]:
    """The rules in the file, the last one first, because the last one that matches decides."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
    return [rule(line) for line in reversed(lines) if line]


def rule(line: str) -> Rule:
    """One rule. It also applies to everything below a matching path."""
    pattern = line.removeprefix("!").strip().strip("/")
    return not line.startswith("!"), re.compile(
        "".join(map(expression, TOKEN.findall(pattern))) + r"(?:/.*)?"
    )


def expression(token: str) -> str:
    """The regular expression for a part of a pattern."""
    known = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return known.get(token) or (token if token[0] in "[\\" else re.escape(token))


def excludes(rules: Sequence[Rule], path: str) -> bool:
    """Whether the file is excluded."""
    return next((excluded for excluded, pattern in rules if pattern.fullmatch(path)), False)
