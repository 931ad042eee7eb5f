"""What never travels, whatever the ignore files or the header say, and why."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cache
from pathlib import PurePosixPath

from .credential_files import HARMLESS, KEY, PATTERNS

_HISTORY = "version control never travels"
_MACHINE = "made for this machine"
_OTHERS = {
    **dict.fromkeys(
        [".git/", ".hg/", ".svn/", ".bzr/", ".jj/", ".git"], _HISTORY
    ),  # .git: a worktree's pointer
    **dict.fromkeys(
        [".venv/", "__pycache__/", "node_modules/", ".ipynb_checkpoints/", ".raydock/"], _MACHINE
    ),
    **dict.fromkeys([".terraform/", ".tox/", ".nox/", "*.pyc"], _MACHINE),
    ".ds_store": _MACHINE,  # changes whenever a folder is looked at, and the package with it
}
VIRTUALENV = f"a virtual environment, {_MACHINE}"


def why_never(name: str, directory: bool) -> str | None:
    """Why the thing at `name` (posix path; only its last two parts count) never travels, or None."""
    above, _, last = name.lower().rpartition("/")
    end = "/" if directory else ""
    last, within = last + end, f"{above.rpartition('/')[2]}/{last}{end}"
    exact, globs, harmless = _compiled()
    if last not in exact and within not in exact and not globs.fullmatch(last):
        return None
    if not directory and harmless.fullmatch(last):
        return None
    return (
        exact.get(within)
        or exact.get(last)
        or next(reason for pattern, reason in _patterns().items() if re.fullmatch(translate(pattern), last))
    )


def why_never_within(name: str, directory: bool = False) -> str | None:
    """The same for a name and all directories above it."""
    above = (why_never(str(parent), True) for parent in PurePosixPath(name).parents)
    return why_never(name, directory) or next((reason for reason in above if reason), None)


def why_secret(path: str) -> str | None:
    """Why a directory is not sent even when it is named: it lies in version control's or a tool's credentials."""
    places = [PurePosixPath(path), *PurePosixPath(path).parents]
    reasons = (why_never(str(place), True) for place in places)
    return next(
        (one for one in reasons if one and (one in (_HISTORY, KEY) or one.startswith("credentials"))), None
    )


def _patterns() -> dict[str, str]:
    return {**PATTERNS, **_OTHERS}


@cache
def _compiled() -> tuple[dict[str, str], re.Pattern[str], re.Pattern[str]]:
    """Names that are matched as they are, and expressions for the others and for what is harmless all the same."""
    wild = [one for one in _patterns() if re.search(r"[*?\[]", one)]
    exact = {one: reason for one, reason in _patterns().items() if one not in wild}
    return exact, re.compile("|".join(map(translate, wild))), re.compile("|".join(map(translate, HARMLESS)))
