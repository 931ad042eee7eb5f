"""Packages that a job installs itself: with a runtime_env in its source, or with pip."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping

from raydock.jobscript.text import name_of

from .distributions import normalize

LAUNCHERS = frozenset(
    {"run", "call", "check_call", "check_output", "Popen", "getoutput", "system", "popen", "main"}
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def installed_by(modules: Mapping[str, ast.Module]) -> set[str]:
    """The packages installed by a runtime_env in the source or by notebook magics, as normalized names."""
    return names(modules, in_runtime_env) | names(modules, in_magics)


def installed_with_pip(modules: Mapping[str, ast.Module]) -> set[str]:
    """The packages that the job installs with pip while running, on the node that runs the command."""
    return names(modules, in_commands)


def names(modules: Mapping[str, ast.Module], requirements: Callable[[ast.AST], Iterator[str]]) -> set[str]:
    """The normalized package names of the requirements that a function finds in the modules' nodes."""
    nodes = (node for tree in modules.values() for node in ast.walk(tree))
    return {
        normalize(match[0]) for node in nodes for text in requirements(node) if (match := NAME.match(text))
    }


def in_runtime_env(node: ast.AST) -> Iterator[str]:
    """The requirements in a "pip" or "uv" key, or in RuntimeEnv(pip=…)."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in (
                "pip",
                "uv",
                "conda",
                "packages",
                "dependencies",
            ):
                yield from texts(value)
    elif isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg in ("pip", "uv", "conda"):
                yield from texts(keyword.value)


def in_commands(node: ast.AST) -> Iterator[str]:
    """The requirements in `pip install …`."""
    if isinstance(node, ast.Call) and name_of(node.func) in LAUNCHERS and not is_magic(node):
        yield from after_install(words_of(node))


def in_magics(node: ast.AST) -> Iterator[str]:
    """The requirements in a notebook's `!pip install …` or `%pip install …`."""
    if isinstance(node, ast.Call) and is_magic(node):
        yield from after_install(words_of(node))


def is_magic(node: ast.Call) -> bool:
    """Whether a call is a notebook magic, exported as a method of get_ipython()."""
    above = node.func.value if isinstance(node.func, ast.Attribute) else None
    return isinstance(above, ast.Call) and name_of(above.func) == "get_ipython"


def words_of(node: ast.Call) -> list[str]:
    """The words in a call's string arguments."""
    return [word for one in node.args for text in texts(one) for word in text.split()]


def after_install(words: list[str]) -> Iterator[str]:
    """The requirements in the words of an install command."""
    if "install" in words and (words[0] in ("pip", "pip3", "uv", "-m", "conda") or "pip" in words):
        yield from (word for word in words[words.index("install") + 1 :] if not word.startswith("-"))


def texts(node: ast.AST) -> Iterator[str]:
    """The string constants in an expression, in source order."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
