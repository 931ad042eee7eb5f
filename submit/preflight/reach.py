"""Which lines of a module run, as far as its text tells: always, maybe, or only where a failure is provided for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

from ..job_text import name_of

FORGIVING = frozenset(
    {
        "ImportError",
        "ModuleNotFoundError",
        "NameError",
        "RuntimeError",
        "ValueError",
        "Exception",
        "BaseException",
    }
)
# A condition that mentions one of them chooses between places or versions.
CHOICES = frozenset(
    {"TYPE_CHECKING", "version_info", "platform", "system", "find_spec", "RAY_ADDRESS", "modules", "get_ipython",
     "is_initialized", "IN_COLAB", "COLAB_RELEASE_TAG", "google.colab", "globals", "hasattr", "cuda", "is_available"}
)  # fmt: skip

LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Reach(IntEnum):
    """Does a line run? PROVIDED: only if the text expects it to fail, or chooses it for another place."""

    PROVIDED = 0
    MAYBE = 1
    ALWAYS = 2


@dataclass(frozen=True, slots=True)
class Imported:
    """One import: the module and, of `from` imports, a name taken from it. A relative one is not among them."""

    module: tuple[str, ...]
    name: str
    line: int
    reach: Reach


def walk(tree: ast.Module) -> Iterator[tuple[ast.AST, Reach]]:
    """All nodes of a module."""
    used = {name_of(node) for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))}
    yield from _block(tree.body, Reach.ALWAYS, used)


def imported(tree: ast.Module) -> Iterator[Imported]:
    """The absolute imports of a module."""
    for node, reach in walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Imported(tuple(alias.name.split(".")), "", node.lineno, reach)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                yield Imported(tuple(node.module.split(".")), alias.name, node.lineno, reach)


def _block(nodes: Sequence[ast.AST], reach: Reach, used: set[str]) -> Iterator[tuple[ast.AST, Reach]]:
    for node in nodes:
        yield from _node(node, reach, used)
        if isinstance(node, ast.If) and node.body and isinstance(node.body[-1], LEAVES):
            reach = min(reach, _of_branch(node, reach))  # what follows is its `else`


def _node(node: ast.AST, reach: Reach, used: set[str]) -> Iterator[tuple[ast.AST, Reach]]:
    yield node, reach
    if isinstance(node, ast.If):
        yield from _if(node, reach, used)
        return
    if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":  # that is of Python 3.11
        yield from _try(cast(ast.Try, node), reach, used)
        return
    if isinstance(node, (ast.With, ast.AsyncWith)) and any(
        _suppresses(item.context_expr) for item in node.items
    ):
        reach = Reach.PROVIDED
    within = reach
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        called = node.name in used or node.decorator_list or node.name.startswith("__")
        within = min(reach, Reach.MAYBE) if called else Reach.PROVIDED
    elif isinstance(
        node, (ast.Lambda, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.BoolOp, ast.match_case)
    ):
        within = min(reach, Reach.MAYBE)
    for _, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield from _node(value, within, used)
        elif isinstance(value, list):
            yield from _block([one for one in value if isinstance(one, ast.AST)], within, used)


def _if(node: ast.If, reach: Reach, used: set[str]) -> Iterator[tuple[ast.AST, Reach]]:
    yield from _node(node.test, reach, used)
    within = _of_branch(node, reach)
    yield from _block(node.body, within, used)
    yield from _block(node.orelse, min(within, Reach.MAYBE), used)


def _of_branch(node: ast.If, reach: Reach) -> Reach:
    """Does a branch of it run?"""
    tested = list(ast.walk(node.test))
    mentioned = {name_of(one) for one in tested} | {
        one.value for one in tested if isinstance(one, ast.Constant)
    }
    if mentioned & CHOICES:
        return Reach.PROVIDED
    if "__name__" in mentioned or (isinstance(node.test, ast.Constant) and node.test.value):
        return reach
    return min(reach, Reach.MAYBE)


def _try(node: ast.Try, reach: Reach, used: set[str]) -> Iterator[tuple[ast.AST, Reach]]:
    caught = {
        name_of(one) for handler in node.handlers for one in ast.walk(handler.type or ast.Name("Exception"))
    }
    within = Reach.PROVIDED if caught & FORGIVING else reach
    yield from _block(node.body, within, used)
    for handler in node.handlers:
        yield from _block(handler.body, Reach.PROVIDED, used)
    yield from _block(node.orelse, min(within, Reach.MAYBE), used)
    yield from _block(node.finalbody, reach, used)


def _suppresses(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) == "suppress"
