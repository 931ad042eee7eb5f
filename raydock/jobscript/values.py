"""Finds the values of expressions, as far as the job's source and arguments determine them.

They are known for constants, names bound to a constant, the command line, and parameters with one value in all calls.
"""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raydock.jobscript.text import Text, name_of

from .options import options_of
from .parameters import parameters_of

# Usual parameter names for argparse's result.
PARSED = frozenset({"args", "arguments", "flags", "namespace", "ns", "opt", "options", "opts"})
PARSING = frozenset({"parse_args", "parse_known_args"})
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.Is: operator.eq, ast.NotEq: operator.ne, ast.IsNot: operator.ne,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.In: lambda one, all_of_them: operator.contains(all_of_them, one),
    ast.NotIn: lambda one, all_of_them: not operator.contains(all_of_them, one),
}  # fmt: skip


class _Undetermined(Exception):
    """The source does not determine the value of an expression."""


@dataclass(slots=True)
class Values:
    """What a job's modules determine about names, options and parameters."""

    text: Text = field(default_factory=Text)
    arguments: tuple[str, ...] = ()
    # How often each name is bound, including as a parameter.
    stores: Counter[str] = field(default_factory=Counter)
    options: Mapping[str, object] = field(default_factory=dict)
    parameters: Mapping[str, tuple[ast.expr, ...]] = field(default_factory=dict)
    parsers: set[str] = field(default_factory=set)  # functions that return argparse's result

    @classmethod
    def of(cls, trees: Iterable[ast.Module], arguments: Iterable[str]) -> Values:
        """The values that the modules and the job's arguments determine."""
        trees, arguments = list(trees), tuple(arguments)
        found = cls(
            arguments=arguments, options=options_of(trees, arguments), parameters=parameters_of(trees)
        )
        for tree in trees:
            found.text.read(tree)
            found.stores.update(bound for node in ast.walk(tree) if (bound := _bound(node)))
        functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        found.parsers |= {node.name for node in functions if found._returns_parsed(node)}
        return found

    def of_expression(self, node: ast.AST | None) -> list[object]:
        """The value of an expression, in a list of one; empty if the source does not determine it."""
        try:
            return [self._value(node, 6)] if node else []
        except (_Undetermined, TypeError):
            return []

    def is_option(self, node: ast.Attribute) -> bool:
        """Whether an attribute is an argparse option."""
        above = node.value.id if isinstance(node.value, ast.Name) else ""
        values = self.text.values.get(above, [])
        return all(map(self._parsed, values)) if values else above in PARSED

    def _value(self, node: ast.AST, depth: int) -> object:
        if not depth:
            raise _Undetermined
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._named(node.id, depth - 1)
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
            return self._command_line(node, depth - 1)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self._value(node.operand, depth - 1)
        if isinstance(node, ast.BoolOp):
            return self._either(node, depth - 1)
        if isinstance(node, ast.IfExp):
            return self._value(node.body if self._value(node.test, depth - 1) else node.orelse, depth - 1)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self._value(node.left, depth - 1), self._value(node.comparators[0], depth - 1)
            return COMPARISONS[type(node.ops[0])](left, right)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return [self._value(one, depth - 1) for one in node.elts]
        raise _Undetermined

    def _named(self, name: str, depth: int) -> object:
        values = self.text.values.get(name, []) or self.parameters.get(name, ())
        found = [self._value(one, depth) for one in values] if self.stores[name] == 1 else []
        if not found or any(one != found[0] for one in found):
            raise _Undetermined
        return found[0]

    def _either(self, node: ast.BoolOp, depth: int) -> object:
        decides, value = isinstance(node.op, ast.Or), None
        for one in node.values:
            value = self._value(one, depth)
            if bool(value) is decides:
                break
        return value

    def _command_line(self, node: ast.AST, depth: int) -> object:
        """The value of sys.argv, one of its items, its length, or an argparse option."""
        if isinstance(node, ast.Call) and name_of(node.func) == "len" and len(node.args) == 1:
            return len(_listed(self._value(node.args[0], depth)))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            items, index = _listed(self._value(node.value, depth)), node.slice.value
            if isinstance(index, int) and -len(items) <= index < len(items):
                return items[index]
        if isinstance(node, ast.Attribute) and self.text.dotted(node) == "sys.argv":
            return ["", *self.arguments]
        if isinstance(node, ast.Attribute) and self.is_option(node) and node.attr in self.options:
            return self.options[node.attr]
        raise _Undetermined

    def _parsed(self, value: ast.AST) -> bool:
        """Whether an expression is argparse's result."""
        return isinstance(value, ast.Call) and name_of(value.func) in PARSING | self.parsers

    def _returns_parsed(self, node: ast.FunctionDef) -> bool:
        for given in (one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value):
            values = self.text.values.get(given.id, []) if isinstance(given, ast.Name) else [given]
            if values and all(map(self._parsed, values)):
                return True
        return False


def _bound(node: ast.AST) -> str:
    """The name that a node binds; "" if none."""
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Store) else ""
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.Global):
        return node.names[0]
    return ""


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _Undetermined
    return value
