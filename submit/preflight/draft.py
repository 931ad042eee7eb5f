"""The draft of a submission: the input of all checks."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from raydock.jobscript.conditions import Conditions
from raydock.jobscript.header import Header, Resources
from raydock.jobscript.reach import Imported, Line, imported, walk
from raydock.rayapi.connection import ExpectedVersions

from ..package import Contents


@dataclass(frozen=True)
class Draft:
    """What is about to be submitted, as the checks see it."""

    name: str
    header: Header
    contents: Contents
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    reserve: Resources = Resources()
    expects: ExpectedVersions = ExpectedVersions()
    sources: Mapping[str, bytes] = field(default_factory=dict)  # the script and what it imports, by name
    modules: Mapping[str, ast.Module] = field(default_factory=dict)  # the script and what it imports, by name
    installs: tuple[str, ...] = ()  # the requirements that the cluster installs for the job
    entrypoint: str = ""
    folder: Path = Path()  # the script's folder on this machine

    @cached_property
    def conditions(self) -> Conditions:
        """The values of names and options that the source and the arguments determine."""
        return Conditions.of(self.modules.values(), self.arguments)

    @cached_property
    def nodes(self) -> tuple[Line, ...]:
        """All syntax nodes of the modules, each with its module and whether it runs."""
        return tuple(walk(self.modules, self.name, self.conditions))

    @cached_property
    def imports(self) -> tuple[tuple[str, Imported], ...]:
        """The absolute imports, each with the importing module."""
        return tuple(imported(self.nodes))


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 file" or "2 files"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def parsed(sources: Mapping[str, bytes]) -> dict[str, ast.Module]:
    """The modules' syntax trees. Skips modules that do not parse: packaging reports them."""
    found = {}
    for name, source in sources.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the module's own warnings, shown when it runs
                found[name] = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return found
