"""Does a condition of the job hold? As far as its text and its arguments tell: options of argparse, and names that
stand for one constant."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..job_text import Text, name_of
from .options import options_of

# A condition that mentions one of them chooses between places or versions.
CHOICES = frozenset(
    {"TYPE_CHECKING", "version_info", "platform", "system", "find_spec", "RAY_ADDRESS", "modules", "get_ipython",
     "is_initialized", "IN_COLAB", "COLAB_RELEASE_TAG", "google.colab", "globals", "hasattr", "cuda", "is_available"}
)  # fmt: skip
# What argparse's result is called where it is a parameter.
PARSED = frozenset({"args", "arguments", "flags", "namespace", "ns", "opt", "options", "opts"})
PARSING = frozenset({"parse_args", "parse_known_args"})


class _NotTold(Exception):
    """The text does not say what an expression is."""


@dataclass(slots=True)
class Conditions:
    """What is known of names and options, in all modules of a job."""

    text: Text = field(default_factory=Text)
    stores: Counter[str] = field(default_factory=Counter)  # how often a name is bound, parameters included
    options: Mapping[str, object] = field(default_factory=dict)
    parsers: set[str] = field(default_factory=set)  # functions that return what argparse found
    commands: dict[str, str] = field(
        default_factory=dict
    )  # functions that are commands of click's or typer's: names
    arguments: tuple[str, ...] = ()

    @classmethod
    def of(cls, trees: Iterable[ast.Module], arguments: Iterable[str]) -> Conditions:
        trees = list(trees)
        found = cls(options=options_of(trees, tuple(arguments)), arguments=tuple(arguments))
        for tree in trees:
            found.text.read(tree)
            for node in ast.walk(tree):
                found.stores.update(filter(None, [_bound(node)]))
                if isinstance(node, ast.FunctionDef):
                    found.commands.update(_command(node))
        functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        found.parsers |= {node.name for node in functions if found._returns_parsed(node)}
        return found

    def is_option(self, node: ast.Attribute) -> bool:
        """Does it stand for an option of argparse?"""
        above = node.value.id if isinstance(node.value, ast.Name) else ""
        values = self.text.values.get(above, [])
        return all(map(self._parsed, values)) if values else above in PARSED

    def other_command(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Is it a command of the job that its arguments don't name, where there are several?"""
        name = self.commands.get(node.name)
        return name is not None and len(self.commands) > 1 and name not in self.arguments

    def chooses(self, test: ast.AST, depth: int = 2) -> bool:
        """Does it choose between places or versions, itself or by a name that stands for such a condition?"""
        for node in ast.walk(test):
            name = node.value if isinstance(node, ast.Constant) else name_of(node)
            if isinstance(name, str) and name in CHOICES:
                return True
            values = self.text.values.get(node.id, []) if isinstance(node, ast.Name) and depth else []
            if any(self.chooses(value, depth - 1) for value in values):
                return True
        return False

    def holds(self, test: ast.expr) -> bool | None:
        """True or False where the text tells it."""
        if isinstance(test, ast.BoolOp):  # one part may decide, whatever the others are
            decides = isinstance(test.op, ast.Or)
            known = [self.holds(one) for one in test.values]
            return decides if decides in known else None if None in known else not decides
        values = self.values(test)
        return bool(values[0]) if values else None

    def values(self, node: ast.AST | None) -> list[object]:
        """The value of an expression, alone in a list; none where the text does not tell it."""
        try:
            return [self._value(node, 5)] if node else []
        except (_NotTold, TypeError):
            return []

    def _value(self, node: ast.AST, depth: int) -> object:
        if not depth:
            raise _NotTold
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Attribute):
            return self._option(node)
        if isinstance(node, ast.Name) and self.stores[node.id] == 1 and self.text.values.get(node.id):
            return self._value(self.text.values[node.id][0], depth - 1)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self._value(node.operand, depth - 1)
        if isinstance(node, ast.BoolOp):
            decides = isinstance(node.op, ast.Or)
            known = (self._value(one, depth - 1) for one in node.values)
            return next(
                (one for one in known if bool(one) is decides), self._value(node.values[-1], depth - 1)
            )
        if isinstance(node, ast.IfExp):
            return self._value(node.body if self._value(node.test, depth - 1) else node.orelse, depth - 1)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._compare(node, depth)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return [self._value(one, depth - 1) for one in node.elts]
        raise _NotTold

    def _option(self, node: ast.Attribute) -> object:
        if not self.is_option(node) or node.attr not in self.options:
            raise _NotTold
        return self.options[node.attr]

    def _parsed(self, value: ast.AST) -> bool:
        """Is it what argparse found?"""
        return isinstance(value, ast.Call) and name_of(value.func) in PARSING | self.parsers

    def _returns_parsed(self, node: ast.FunctionDef) -> bool:
        for given in (one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value):
            values = self.text.values.get(given.id, []) if isinstance(given, ast.Name) else [given]
            if values and all(map(self._parsed, values)):
                return True
        return False

    def _compare(self, node: ast.Compare, depth: int) -> object:
        left, right = self._value(node.left, depth - 1), self._value(node.comparators[0], depth - 1)
        operator = node.ops[0]
        if isinstance(operator, (ast.Eq, ast.Is)):
            return left == right
        if isinstance(operator, (ast.NotEq, ast.IsNot)):
            return left != right
        if isinstance(operator, (ast.In, ast.NotIn)) and isinstance(right, (list, str)):
            return (left in right) is isinstance(operator, ast.In)
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            if isinstance(operator, ast.Gt):
                return left > right
            if isinstance(operator, ast.Lt):
                return left < right
        raise _NotTold


def _bound(node: ast.AST) -> str:
    """The name that a node binds; "" for none."""
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Store) else ""
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.Global):
        return node.names[0]
    return ""


def _command(node: ast.FunctionDef) -> dict[str, str]:
    """What click or typer call a function, if it is one of their commands."""
    for one in node.decorator_list:
        call = one if isinstance(one, ast.Call) else ast.Call(one, [], [])
        if name_of(call.func) == "command":
            named = next((text.value for text in call.args if isinstance(text, ast.Constant)), None)
            return {node.name: str(named or node.name.lower().replace("_", "-"))}
    return {}
