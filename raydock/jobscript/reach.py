"""Determines from a job's source alone which lines run: always, maybe, or only if a failure is handled."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

from raydock.jobscript.text import name_of

from .conditions import Conditions
from .handlers import HANDLED_ERRORS, ends, tops

LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Reach(IntEnum):
    """Whether a line runs, as far as the source shows, from least to most certain."""

    HANDLED = 0  # only if the source handles its failure, or in another environment
    CONDITIONAL = 1  # under a condition that the source does not decide
    MAYBE = 2  # in a function or loop
    ALWAYS = 3


@dataclass(frozen=True, slots=True)
class Imported:
    """One absolute import: the module and, for a `from` import, one imported name."""

    module: tuple[str, ...]
    name: str
    line: int
    reach: Reach


Line = tuple[str, ast.AST, Reach]  # the module, the node, and whether it runs
# The node, whether it runs, and the innermost function around it that runs only if used.
Found = tuple[ast.AST, Reach, str]


def walk(
    modules: Mapping[str, ast.Module],
    script: str,
    conditions: Conditions,
    handled_errors: frozenset[str] = HANDLED_ERRORS,
) -> Iterator[Line]:
    """All nodes in a job's modules, each with its module and whether it runs.

    script: the name of the module that is run as the script.
    handled_errors: a `try` that catches one of these exceptions handles failures.
    """
    found: list[tuple[str, Found]] = []
    for name, tree in modules.items():
        walker = _Walk(conditions, name == script, handled_errors)
        found += [(name, one) for one in walker.all(tree.body)]
    reaches = functions_reached((one for _, one in found), conditions)
    for name, (node, reach, function) in found:
        yield name, node, min(reach, reaches.get(function, Reach.HANDLED))


def imported(lines: Iterable[Line]) -> Iterator[tuple[str, Imported]]:
    """The absolute imports among the lines, each with the importing module."""
    for name, node, reach in lines:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield name, Imported(tuple(alias.name.split(".")), "", node.lineno, reach)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                yield name, Imported(tuple(node.module.split(".")), alias.name, node.lineno, reach)


def functions_reached(found: Iterable[Found], conditions: Conditions) -> dict[str, Reach]:
    """Which functions run, keyed by name: those mentioned in code that runs, starting at the top level, named ""."""
    mentions: dict[str, dict[str, Reach]] = {}
    for node, reach, function in found:
        if isinstance(node, ast.Attribute) and conditions.is_option(node):
            continue
        if reach is not Reach.HANDLED and isinstance(node, (ast.Name, ast.Attribute, ast.ImportFrom)):
            names = [one.name for one in node.names] if isinstance(node, ast.ImportFrom) else [name_of(node)]
            known = mentions.setdefault(function, {})
            known |= {name: max(reach, known.get(name, reach)) for name in names}
    reached = {"": Reach.ALWAYS}
    for least in (Reach.MAYBE, Reach.CONDITIONAL):
        pending = list(reached)
        while pending:
            new = [name for name, reach in mentions.get(pending.pop(), {}).items() if reach >= least]
            pending += (more := [name for name in new if name not in reached])
            reached |= dict.fromkeys(more, least)
    return reached


@dataclass(frozen=True, slots=True)
class _Walk:
    """Walk one module; `main` if it is the script, whose __name__ is __main__."""

    conditions: Conditions
    main: bool
    handled_errors: frozenset[str]

    def all(self, body: Sequence[ast.stmt]) -> Iterator[Found]:
        """All nodes in source order. Not recursive, since generated modules may nest a thousand levels deep."""
        pending = self.block(body, Reach.ALWAYS, "")[::-1]
        while pending:
            found = pending.pop()
            yield found
            pending += self.within(*found)[::-1]

    def block(self, nodes: Sequence[ast.AST], reach: Reach, function: str) -> list[Found]:
        """The nodes in a block. What follows a branch that leaves the block counts as its `else`."""
        found: list[Found] = []
        for node in nodes:
            found.append((node, reach, function))
            if isinstance(node, ast.If) and node.body and isinstance(node.body[-1], LEAVES):
                otherwise = self.branches(node.test, reach)[1]
                reach = min(reach, Reach.MAYBE) if otherwise is Reach.CONDITIONAL else otherwise
        return found

    def within(self, node: ast.AST, reach: Reach, function: str) -> list[Found]:
        """The nodes directly inside a node."""
        if isinstance(node, (ast.If, ast.IfExp)):
            return self.condition(node, reach, function)
        if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":  # since Python 3.11
            return self.attempt(cast(ast.Try, node), reach, function)
        if isinstance(node, (ast.With, ast.AsyncWith)) and any(
            _suppresses(item.context_expr) for item in node.items
        ):
            reach = Reach.HANDLED
        within = reach
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            within = min(reach, Reach.MAYBE)
            called = node.decorator_list or node.name.startswith("__")
            if not called or self.conditions.is_other_command(node):
                function = node.name
        elif isinstance(node, (ast.Lambda, ast.For, ast.AsyncFor, ast.While)):
            within = min(reach, Reach.MAYBE)
        elif isinstance(node, (ast.BoolOp, ast.match_case)) or (
            isinstance(node, ast.Call)
            and name_of(node.func) == "set_defaults"  # the function that each of several commands calls
        ):
            within = min(reach, Reach.CONDITIONAL)
        found: list[Found] = []
        for field, value in ast.iter_fields(node):
            nodes = [
                one for one in (value if isinstance(value, list) else [value]) if isinstance(one, ast.AST)
            ]
            if isinstance(node, ast.Dict) and field == "values":  # a table of functions to choose from
                choice = min(within, Reach.CONDITIONAL)
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
        """Whether each branch of a condition runs: first the one for true, then the one for false."""
        maybe = min(reach, Reach.CONDITIONAL)
        if self.conditions.selects_environment(test):
            return Reach.HANDLED, Reach.HANDLED
        if any(name_of(one) == "__name__" for one in ast.walk(test)):
            return (reach, maybe) if self.main else (Reach.HANDLED, reach)
        holds = self.conditions.holds(test)
        if holds is None:
            return maybe, maybe
        return (reach, Reach.HANDLED) if holds else (Reach.HANDLED, reach)

    def attempt(self, node: ast.Try, reach: Reach, function: str) -> list[Found]:
        """The parts of a `try`."""
        caught = {
            name_of(one)
            for handler in node.handlers
            for one in ast.walk(handler.type or ast.Name("Exception"))
        }
        within = (
            Reach.HANDLED if caught & self.handled_errors and not any(map(ends, node.handlers)) else reach
        )
        if within is Reach.HANDLED and tops(node.body) & {
            top for one in node.handlers for top in tops(one.body)
        }:
            within = min(reach, Reach.MAYBE)  # imported again after installing it
        return [
            *self.block(node.body, within, function),
            *(one for part in node.handlers for one in self.block(part.body, Reach.HANDLED, function)),
            *self.block(node.orelse, min(within, Reach.MAYBE), function),
            *self.block(node.finalbody, reach, function),
        ]


def _suppresses(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) == "suppress"
