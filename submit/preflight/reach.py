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


Reached = tuple[ast.AST, Reach]


@dataclass(frozen=True, slots=True)
class Imported:
    """One import: the module and, of `from` imports, a name taken from it. A relative one is not among them."""

    module: tuple[str, ...]
    name: str
    line: int
    reach: Reach


def walk(tree: ast.Module) -> Iterator[Reached]:
    """All nodes of a module, in the order of its text. Not recursive: a generated module is nested a thousand deep."""
    used = {name_of(node) for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))}
    waiting = _block(tree.body, Reach.ALWAYS)[::-1]
    while waiting:
        node, reach = waiting.pop()
        yield node, reach
        waiting += _within(node, reach, used)[::-1]


def imported(tree: ast.Module) -> Iterator[Imported]:
    """The absolute imports of a module."""
    for node, reach in walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Imported(tuple(alias.name.split(".")), "", node.lineno, reach)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                yield Imported(tuple(node.module.split(".")), alias.name, node.lineno, reach)


def _block(nodes: Sequence[ast.AST], reach: Reach) -> list[Reached]:
    """Each of the statements, or of any nodes, with its reach."""
    found = []
    for node in nodes:
        found.append((node, reach))
        if isinstance(node, ast.If) and node.body and isinstance(node.body[-1], LEAVES):
            reach = min(reach, _of_branch(node, reach))  # what follows is its `else`
    return found


def _within(node: ast.AST, reach: Reach, used: set[str]) -> list[Reached]:
    """What stands directly in a node."""
    if isinstance(node, ast.If):
        return _if(node, reach)
    if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":  # that is of Python 3.11
        return _try(cast(ast.Try, node), reach)
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
    found: list[Reached] = []
    for _, value in ast.iter_fields(node):
        nodes = value if isinstance(value, list) else [value]
        found += _block([one for one in nodes if isinstance(one, ast.AST)], within)
    return found


def _if(node: ast.If, reach: Reach) -> list[Reached]:
    within = _of_branch(node, reach)
    return [(node.test, reach), *_block(node.body, within), *_block(node.orelse, min(within, Reach.MAYBE))]


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


def _try(node: ast.Try, reach: Reach) -> list[Reached]:
    caught = {
        name_of(one) for handler in node.handlers for one in ast.walk(handler.type or ast.Name("Exception"))
    }
    within = Reach.PROVIDED if caught & FORGIVING else reach
    return [
        *_block(node.body, within),
        *(found for handler in node.handlers for found in _block(handler.body, Reach.PROVIDED)),
        *_block(node.orelse, min(within, Reach.MAYBE)),
        *_block(node.finalbody, reach),
    ]


def _suppresses(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) == "suppress"
