"""What is about to be sent, as far as the checks look at it."""

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
    """What is about to be sent, as far as the checks look at it."""

    name: str
    header: Header
    contents: Contents
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    reserve: Resources = Resources()
    expects: ExpectedVersions = ExpectedVersions()
    sources: Mapping[str, bytes] = field(default_factory=dict)  # the script and what it imports, by name
    modules: Mapping[str, ast.Module] = field(default_factory=dict)  # the script and what it imports, by name
    installs: tuple[str, ...] = ()  # what is installed on the cluster for the job
    entrypoint: str = ""
    folder: Path = Path()  # that of the script, on this machine

    @cached_property
    def conditions(self) -> Conditions:
        """What the text and the arguments tell of names and options."""
        return Conditions.of(self.modules.values(), self.arguments)

    @cached_property
    def nodes(self) -> tuple[Line, ...]:
        """All nodes of the modules, each with its module and whether it runs."""
        return tuple(walk(self.modules, self.name, self.conditions))

    @cached_property
    def imports(self) -> tuple[tuple[str, Imported], ...]:
        """The absolute imports, each with its module."""
        return tuple(imported(self.nodes))


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def parsed(sources: Mapping[str, bytes]) -> dict[str, ast.Module]:
    """The modules as syntax trees; those that are not Python are left out, and packaging speaks of them."""
    found = {}
    for name, source in sources.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the module's own, shown when it runs
                found[name] = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return found
