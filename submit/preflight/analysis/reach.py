"""Which lines of a module run, as far as its text tells: always, maybe, or only where a failure is provided for."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

from raydock.jobscript.text import name_of

from ...findings import Finding, denied, ok, unknown
from ..handlers import FORGIVING, ends, tops
from .conditions import Conditions

LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Reach(IntEnum):
    """Does a line run? What the text tells of it, from never on."""

    PROVIDED = 0  # only where the text expects it to fail, or chooses it for another place
    IF = 1  # under a condition that the text does not decide
    MAYBE = 2  # in a function or loop
    ALWAYS = 3


@dataclass(frozen=True, slots=True)
class Imported:
    """One import: the module and, of `from` imports, a name taken from it. A relative one is not among them."""

    module: tuple[str, ...]
    name: str
    line: int
    reach: Reach


Line = tuple[str, ast.AST, Reach]  # the module, the node, and whether it runs
Found = tuple[
    ast.AST, Reach, str
]  # the innermost function that it stands in and that runs only where it is used


def walk(
    modules: Mapping[str, ast.Module],
    script: str,
    conditions: Conditions,
    forgiving: frozenset[str] = FORGIVING,
) -> Iterator[Line]:
    """All nodes of a job's modules. `script` is the name of its first; `forgiving`: the errors to look for."""
    found: list[tuple[str, Found]] = []
    for name, tree in modules.items():
        through = _Walk(conditions, name == script, forgiving)
        found += [(name, one) for one in through.all(tree.body)]
    reaches = functions_reached((one for _, one in found), conditions)
    for name, (node, reach, function) in found:
        yield name, node, min(reach, reaches.get(function, Reach.PROVIDED))


def imported(lines: Iterable[Line]) -> Iterator[tuple[str, Imported]]:
    """The absolute imports among them, each with its module."""
    for name, node, reach in lines:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield name, Imported(tuple(alias.name.split(".")), "", node.lineno, reach)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                yield name, Imported(tuple(node.module.split(".")), alias.name, node.lineno, reach)


def functions_reached(found: Iterable[Found], conditions: Conditions) -> dict[str, Reach]:
    """Which functions run, as far as lines that do mention them, from what runs at once on; "" stands for that."""
    mentions: dict[str, dict[str, Reach]] = {}
    for node, reach, function in found:
        if isinstance(node, ast.Attribute) and conditions.is_option(node):
            continue
        if reach is not Reach.PROVIDED and isinstance(node, (ast.Name, ast.Attribute, ast.ImportFrom)):
            names = [one.name for one in node.names] if isinstance(node, ast.ImportFrom) else [name_of(node)]
            known = mentions.setdefault(function, {})
            known |= {name: max(reach, known.get(name, reach)) for name in names}
    reached = {"": Reach.ALWAYS}
    for least in (Reach.MAYBE, Reach.IF):
        waiting = list(reached)
        while waiting:
            new = [name for name, reach in mentions.get(waiting.pop(), {}).items() if reach >= least]
            waiting += (more := [name for name in new if name not in reached])
            reached |= dict.fromkeys(more, least)
    return reached


def judged(reach: Reach, check: str, text: str, fix: str) -> Finding:
    """DENIED for what runs for certain, UNKNOWN for what may; a remark on what only a condition leads to."""
    if reach is Reach.IF:
        return ok(check, f"{text.removesuffix('.')}; whether it runs depends on a condition")
    return (denied if reach is Reach.ALWAYS else unknown)(check, text, fix)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Through one module; `main` for the script, whose __name__ is __main__."""

    conditions: Conditions
    main: bool
    forgiving: frozenset[str]

    def all(self, body: Sequence[ast.stmt]) -> Iterator[Found]:
        """In the order of the text. Not recursive: a generated module is nested a thousand deep."""
        waiting = self.block(body, Reach.ALWAYS, "")[::-1]
        while waiting:
            found = waiting.pop()
            yield found
            waiting += self.within(*found)[::-1]

    def block(self, nodes: Sequence[ast.AST], reach: Reach, function: str) -> list[Found]:
        """Each of the statements, or of any nodes."""
        found: list[Found] = []
        for node in nodes:
            found.append((node, reach, function))
            if isinstance(node, ast.If) and node.body and isinstance(node.body[-1], LEAVES):
                otherwise = self.branches(node.test, reach)[1]  # what follows is its `else`
                reach = min(reach, Reach.MAYBE) if otherwise is Reach.IF else otherwise
        return found

    def within(self, node: ast.AST, reach: Reach, function: str) -> list[Found]:
        """What stands directly in a node."""
        if isinstance(node, (ast.If, ast.IfExp)):
            return self.condition(node, reach, function)
        if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":  # that is of Python 3.11
            return self.attempt(cast(ast.Try, node), reach, function)
        if isinstance(node, (ast.With, ast.AsyncWith)) and any(
            _suppresses(item.context_expr) for item in node.items
        ):
            reach = Reach.PROVIDED
        within = reach
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            within = min(reach, Reach.MAYBE)
            called = node.decorator_list or node.name.startswith("__")
            if not called or self.conditions.other_command(node):
                function = node.name
        elif isinstance(node, (ast.Lambda, ast.For, ast.AsyncFor, ast.While)):
            within = min(reach, Reach.MAYBE)
        elif isinstance(node, (ast.BoolOp, ast.match_case)) or (
            isinstance(node, ast.Call)
            and name_of(node.func) == "set_defaults"  # what each of several commands calls
        ):
            within = min(reach, Reach.IF)
        found: list[Found] = []
        for field, value in ast.iter_fields(node):
            nodes = [
                one for one in (value if isinstance(value, list) else [value]) if isinstance(one, ast.AST)
            ]
            if isinstance(node, ast.Dict) and field == "values":  # a table to choose from
                choice = min(within, Reach.IF)
                named = [isinstance(one, (ast.Name, ast.Attribute)) for one in nodes]
                found += [
                    (one, choice if name else within, function)
                    for one, name in zip(nodes, named, strict=True)
                ]
            else:
                found += self.block(nodes, within, function)
        return found

    def condition(self, node: ast.If | ast.IfExp, reach: Reach, function: str) -> list[Found]:
        """The test and the branches of an `if`."""
        found: list[Found] = [(node.test, reach, function)]
        for part, within in zip((node.body, node.orelse), self.branches(node.test, reach), strict=True):
            found += self.block(part if isinstance(part, list) else [part], within, function)
        return found

    def branches(self, test: ast.expr, reach: Reach) -> tuple[Reach, Reach]:
        """Do the branches run: that of a condition which holds, and the other?"""
        maybe = min(reach, Reach.IF)
        if self.conditions.chooses(test):
            return Reach.PROVIDED, Reach.PROVIDED
        if any(name_of(one) == "__name__" for one in ast.walk(test)):
            return (reach, maybe) if self.main else (Reach.PROVIDED, reach)
        holds = self.conditions.holds(test)
        if holds is None:
            return maybe, maybe
        return (reach, Reach.PROVIDED) if holds else (Reach.PROVIDED, reach)

    def attempt(self, node: ast.Try, reach: Reach, function: str) -> list[Found]:
        """The parts of a `try`."""
        caught = {
            name_of(one)
            for handler in node.handlers
            for one in ast.walk(handler.type or ast.Name("Exception"))
        }
        within = Reach.PROVIDED if caught & self.forgiving and not any(map(ends, node.handlers)) else reach
        if within is Reach.PROVIDED and tops(node.body) & {
            top for one in node.handlers for top in tops(one.body)
        }:
            within = min(reach, Reach.MAYBE)  # tried once more, after it was installed
        return [
            *self.block(node.body, within, function),
            *(one for part in node.handlers for one in self.block(part.body, Reach.PROVIDED, function)),
            *self.block(node.orelse, min(within, Reach.MAYBE), function),
            *self.block(node.finalbody, reach, function),
        ]


def _suppresses(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) == "suppress"
