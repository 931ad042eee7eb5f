"""Settings: a flag, else the environment, else `.env` beside submit.py, else the default."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def setting(name: str, default: str) -> str:
    """The value of `name` from the environment or `.env`; an empty value counts as none."""
    return os.environ.get(name) or read_env_file(PROJECT / ".env").get(name) or default


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines as Docker Compose reads them: comments, blank lines and quotes are understood."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    values = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            values[name.strip()] = unquote(value.strip())
    return values


def unquote(value: str) -> str:
    """A value without its quotes, or without the comment behind it."""
    if len(value) > 1 and value[0] in "'\"" and value.find(value[0], 1) > 0:
        return value[1 : value.find(value[0], 1)]
    return value.split(" #", 1)[0].rstrip()
