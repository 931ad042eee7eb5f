"""Imports that may fail without failing the job, because the code handles the failure.

Code is guarded if it is in a `try` that catches ImportError without exiting (or in its handlers, which run only
after a failed import), under `with suppress(ImportError)`, or under an `if` that tests for the type checker, the
Python version, the platform, or whether the module exists.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from raydock.jobscript.handlers import ends
from raydock.jobscript.text import name_of

_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_TESTED = frozenset({
    "TYPE_CHECKING", "version_info", "hexversion", "platform", "implementation", "find_spec", "find_loader",
})  # fmt: skip
_TRY = (ast.Try, ast.TryStar) if hasattr(ast, "TryStar") else (ast.Try,)


def with_guards(tree: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes of a tree in source order, as (node, guarded) pairs."""
    pending = [(tree, False)]
    while pending:
        node, guarded = pending.pop()
        yield node, guarded
        below = guarded or _guards(node)
        always = set(map(id, getattr(node, "finalbody", ())))
        children = [
            (child, guarded if id(child) in always else below) for child in ast.iter_child_nodes(node)
        ]
        pending += reversed(children)


def _guards(node: ast.AST) -> bool:
    """Whether a statement guards the code inside it."""
    if isinstance(node, _TRY):
        caught = next((handler for handler in node.handlers if _catches(handler.type)), None)
        return caught is not None and not ends(caught)
    if isinstance(node, (ast.With, ast.AsyncWith)):
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        return any(name_of(call.func) == "suppress" and any(map(_catches, call.args)) for call in calls)
    if isinstance(node, (ast.If, ast.IfExp)):
        return any(name_of(one) in _TESTED for one in ast.walk(node.test)) or _is_os_name(node.test)
    return False


def _catches(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(name_of(kind) in _CAUGHT for kind in kinds)


def _is_os_name(test: ast.expr) -> bool:
    return any(
        isinstance(one, ast.Attribute) and one.attr == "name" and name_of(one.value) == "os"
        for one in ast.walk(test)
    )
