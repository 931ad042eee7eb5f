"""Reads a Dockerfile: what each stage is built from, so that a change elsewhere does not count.

Reference: https://docs.docker.com/reference/dockerfile/. Here-documents and the JSON form of COPY are not supported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
FLAG = re.compile(r"--([\w-]+)(?:=(\S*))?\s+")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its instructions without comments, the paths that it reads from the context, and its parent stages.

    `parents` may contain names of images.
    """

    lines: tuple[str, ...]
    sources: tuple[str, ...]
    parents: tuple[str, ...]


def stages(text: str, args: Mapping[str, str]) -> dict[str, Stage]:
    """The stages by name, or by number for those without one. `args` are the build arguments."""
    values, found, lines = dict(args), dict[str, Stage](), list[str]()
    name = ""
    for line in instructions(text):
        word, _, rest = line.partition(" ")
        if word.upper() == "FROM":
            if name:
                found[name] = stage(lines)
            base, given = from_line(substituted(rest, values))
            name, lines = given or str(len(found)), [f"FROM {base}"]
        elif word.upper() == "ARG":
            declared = argument(rest, values)
            if name:
                lines.append(f"ARG {declared}")
            else:
                values = dict([declared.split("=", 1)]) | values
        else:
            lines.append(line)
    return {**found, name: stage(lines)} if name else found


def needed(found: Mapping[str, Stage], target: str) -> dict[str, Stage]:
    """The target and all stages that it is built from, in the order of the file."""
    names, open_names = set[str](), [target]
    while open_names:
        name = open_names.pop()
        if name in found and name not in names:
            names.add(name)
            open_names += found[name].parents
    return {name: one for name, one in found.items() if name in names}


def instructions(text: str) -> Iterator[str]:
    """The instructions, each in one line, without comments and blank lines."""
    parts: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        parts.append(stripped.removesuffix("\\").rstrip())
        if not stripped.endswith("\\"):
            yield " ".join(parts)
            parts = []
    if parts:
        yield " ".join(parts)


def from_line(rest: str) -> tuple[str, str]:
    """The base and the name in a FROM instruction; the name is "" if it has none."""
    words = [word for word in rest.split() if not word.startswith("--")]
    return words[0], words[2] if len(words) == 3 and words[1].upper() == "AS" else ""


def argument(rest: str, values: Mapping[str, str]) -> str:
    """An ARG instruction with the value that it has: the given one, or else its default."""
    name, _, default = rest.partition("=")
    return f"{name}={values.get(name, default)}"


def substituted(text: str, values: Mapping[str, str]) -> str:
    """The text with the values of its variables."""
    return VARIABLE.sub(lambda match: values.get(match[1] or match[2], ""), text)


def stage(lines: list[str]) -> Stage:
    """The stage with these instructions."""
    sources: list[str] = []
    parents = [lines[0].split()[1]]
    for line in lines[1:]:
        word, _, rest = line.partition(" ")
        if word.upper() in ("COPY", "ADD"):
            flags, rest = flags_of(rest)
            origin = [value for name, value in flags if name == "from"]
            parents += origin
            sources += [] if origin else rest.split()[:-1]
        elif word.upper() == "RUN":
            for name, value in flags_of(rest)[0]:
                mount = dict(part.partition("=")[::2] for part in value.split(",")) if name == "mount" else {}
                if mount.get("type", "bind") == "bind" and mount:
                    origin = [mount["from"]] if "from" in mount else []
                    parents += origin
                    sources += [] if origin else [mount.get("source") or mount.get("src") or "."]
    return Stage(tuple(lines), tuple(sources), tuple(parents))


def flags_of(rest: str) -> tuple[list[tuple[str, str]], str]:
    """The flags at the start of an instruction's arguments, and what follows them."""
    found = []
    while match := FLAG.match(rest):
        found.append((match[1], match[2] or ""))
        rest = rest[match.end() :]
    return found, rest
