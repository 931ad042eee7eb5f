"""Which errors a `try` handles, and whether the job continues afterwards."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from raydock.jobscript.text import name_of

HANDLED_ERRORS = frozenset(
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


def ends(handler: ast.ExceptHandler) -> bool:
    """Whether an exception handler ends the job: its last statement raises or exits."""
    last = handler.body[-1]
    called = last.value.func if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) else None
    return isinstance(last, ast.Raise) or (
        called is not None and name_of(called) in ("exit", "quit", "_exit")
    )


def tops(body: Sequence[ast.stmt]) -> set[str]:
    """The top-level modules that the statements import."""
    nodes = [node for one in body for node in ast.walk(one)]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    taken = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | taken} - {""}
