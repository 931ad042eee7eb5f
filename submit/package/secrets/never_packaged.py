"""What is never packaged, regardless of ignore files and the header, and why."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cache
from pathlib import PurePosixPath

from .credential_files import HARMLESS, KEY, PATTERNS

_HISTORY = "version control data is never packaged"
_MACHINE = "specific to this machine"
_OTHER_PATTERNS = {
    # ".git" without a slash is the pointer file of a worktree.
    **dict.fromkeys([".git/", ".hg/", ".svn/", ".bzr/", ".jj/", ".git"], _HISTORY),
    **dict.fromkeys(
        [".venv/", "__pycache__/", "node_modules/", ".ipynb_checkpoints/", ".raydock/"], _MACHINE
    ),
    **dict.fromkeys([".terraform/", ".tox/", ".nox/", "*.pyc"], _MACHINE),
    ".ds_store": _MACHINE,  # changes whenever a folder is viewed, and would change the package
}
VIRTUALENV = f"a virtual environment, {_MACHINE}"


def why_never(name: str, directory: bool) -> str | None:
    """Why the file or directory at `name` is never packaged, or None.

    name: a posix path, of which only the last two parts matter.
    """
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
    """Why `name` or one of its parent directories is never packaged, or None."""
    above = (why_never(str(parent), True) for parent in PurePosixPath(name).parents)
    return why_never(name, directory) or next((reason for reason in above if reason), None)


def why_secret(path: str) -> str | None:
    """Why a directory is never sent, even on request: it has credentials or version control data. Otherwise None."""
    directories = [PurePosixPath(path), *PurePosixPath(path).parents]
    reasons = (why_never(str(directory), True) for directory in directories)
    return next(
        (one for one in reasons if one and (one in (_HISTORY, KEY) or one.startswith("credentials"))), None
    )


def _patterns() -> dict[str, str]:
    return {**PATTERNS, **_OTHER_PATTERNS}


@cache
def _compiled() -> tuple[dict[str, str], re.Pattern[str], re.Pattern[str]]:
    """The literal names, an expression for the patterns, and one for the harmless exceptions."""
    wild = [one for one in _patterns() if re.search(r"[*?\[]", one)]
    exact = {one: reason for one, reason in _patterns().items() if one not in wild}
    return exact, re.compile("|".join(map(translate, wild))), re.compile("|".join(map(translate, HARMLESS)))
