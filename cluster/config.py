"""Settings: the environment, else `.env` beside compose.yaml, else the default written in compose.yaml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from cluster.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
# ${NAME}, or ${NAME:-default}, whose default holds no further ${}: the innermost one of a nest.
INNERMOST = re.compile(r"\$\{(\w+)(?:(:?[-+?])([^${}]*))?\}")
NAME = re.compile(r"\$\{?(\w+)")


def read(root: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Every setting as Docker Compose sees it: `.env`, and over it the environment."""
    return {**dotenv(root / ".env"), **environ}


def dotenv(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of a file; none where there is no file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return {
        name.strip(): unquote(value.strip())
        for name, equals, value in pairs
        if equals and not name.startswith("#")
    }


def unquote(value: str) -> str:
    """The value without its quotes, or without the comment behind it."""
    if value[:1] in ("'", '"') and value.find(value[0], 1) > 0:
        return value[1 : value.find(value[0], 1)]
    return re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()


def interpolate(template: str, settings: Mapping[str, str]) -> str:
    """The text with ${NAME}, ${NAME-x}, ${NAME:-x}, ${NAME+x} and ${NAME:?x} replaced as Compose does."""
    text = template.replace("$$", "\0")
    while True:
        text, count = INNERMOST.subn(lambda match: substitute(*match.groups(""), settings=settings), text)
        if not count:
            return text.replace("\0", "$")


def substitute(name: str, operator: str, word: str, *, settings: Mapping[str, str]) -> str:
    """The value of one ${NAME operator word}; with a colon an empty value counts as none."""
    value = settings.get(name, "")
    present = bool(value) if operator.startswith(":") else name in settings
    if operator.endswith("-"):
        return value if present else word
    if operator.endswith("+"):
        return word if present else ""
    if operator.endswith("?") and not present:
        raise UsageError(f"{name} is not set: {word}.", f"Set {name} in the environment or in .env.")
    return value


def state_dir(settings: Mapping[str, str]) -> Path:
    """Where the processes cluster keeps its record: $RAYDOCK_STATE, by default .raydock in the checkout."""
    return Path(settings.get("RAYDOCK_STATE") or ROOT / ".raydock").resolve()
