"""The wildcards of `gcloud storage`: `*` and `?` match within one folder, `**` across folders, `[a-z]` one character.

https://cloud.google.com/storage/docs/wildcards
"""

from __future__ import annotations

import re

from iam.errors import MalformedResource

TOKEN = re.compile(r"\*\*|\*|\?|\[(!?)([^\]/]+)\]|.", re.DOTALL)


def fixed_prefix(pattern: str) -> str:
    """The part of a pattern before its first wildcard."""
    return re.split(r"[*?\[]", pattern, maxsplit=1)[0]


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern. If it matches only a folder in a name, the group `below` is the rest of the name.

    Raises MalformedResource.
    """
    parts = "".join(expression(found) for found in TOKEN.finditer(pattern.rstrip("/")))
    try:
        return re.compile(f"(?P<matched>{parts})(?P<below>/.*)?", re.DOTALL)
    except re.error as fault:
        raise MalformedResource(
            f'Invalid pattern "{pattern}": {fault.msg}.', "use *, **, ? or [a-z]"
        ) from None


def expression(token: re.Match[str]) -> str:
    """The regular expression for one token in a pattern."""
    text, negated, characters = token[0], token[1], token[2]
    if text == "**":
        return ".*"
    if text in ("*", "?"):
        return "[^/]" + ("*" if text == "*" else "")
    if characters is None:
        return re.escape(text)
    body = re.sub(r"([\\\[\]^&~|])", r"\\\1", characters)
    return f"[{'^/' if negated else ''}{body}]"
