"""The imports of a module, read from its source without importing it.

Covers `import a`, `from a import b`, relative imports inside packages, and `import_module("a")` and `__import__("a")`
with a literal name, including those in functions, branches and try blocks.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from .decode import NotText, decoded
from .errors import BrokenModule
from .guards import with_guards


@dataclass(frozen=True, slots=True)
class Import:
    """One import: the module, and the names imported from it, which may be modules or "*"."""

    module: tuple[str, ...]
    names: tuple[str, ...] = ()
    line: int = 0
    guarded: bool = False  # may fail, or is not meant for the cluster: see guards
    escaping: str = ""  # the source of a relative import beyond the top-level package; `module` is then empty


def imports_in(source: bytes, name: str, package: tuple[str, ...]) -> list[Import]:
    """The imports of a module in `package`; `name` is for error messages.

    Raises BrokenModule if it is not valid Python.
    """
    found: list[Import] = []
    for node, guarded in with_guards(parse_module(source, name)):
        if isinstance(node, ast.Import):
            found += [Import(tuple(alias.name.split(".")), (), node.lineno, guarded) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(_from(node, package, guarded))
        elif isinstance(node, ast.Call):
            found += _by_call(node, package, guarded)
    return found


def _from(node: ast.ImportFrom, package: tuple[str, ...], guarded: bool) -> Import:
    names, above = tuple(alias.name for alias in node.names), _above(package, node.level)
    if above is None:
        return Import((), names, node.lineno, guarded, ast.unparse(node))
    module = above + tuple(node.module.split(".") if node.module else ())
    return Import(module, names, node.lineno, guarded)


def _above(package: tuple[str, ...], level: int) -> tuple[str, ...] | None:
    """The package that a relative import starts from; None if it is beyond the top-level package."""
    if level == 0:
        return ()
    return package[: len(package) - level + 1] if level <= len(package) else None


def _by_call(node: ast.Call, package: tuple[str, ...], guarded: bool) -> Iterator[Import]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called not in ("import_module", "__import__") or not node.args:
        return
    argument = node.args[0]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        dotted = argument.value.lstrip(".")
        above = _above(package, len(argument.value) - len(dotted))
        if above is not None and all(part.isidentifier() for part in dotted.split(".")):
            yield Import(above + tuple(dotted.split(".")), (), node.lineno, guarded)


def parse_module(source: bytes, name: str) -> ast.Module:
    """The syntax tree of a module; `name` is for error messages. Raises BrokenModule if it is not valid Python."""
    fix = "Fix that line, or run submit.py with the cluster's Python version."
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    try:
        decoded(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the module's own warnings, shown when it runs
            return ast.parse(source)
    except NotText as error:
        raise BrokenModule(f"{name} is not valid Python: {error.reason}.", error.fix) from error
    except SyntaxError as error:
        raise BrokenModule(f"{name} line {error.lineno} is not valid {version}: {error.msg}.", fix) from error
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or "it is nested too deeply"
        raise BrokenModule(f"{name} is not valid {version}: {reason}.", fix) from error
