"""Packages that a job installs by itself: in the runtime_env of its text, or with pip."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping

from raydock.jobscript.text import name_of

from .distributions import normal

RUNNERS = frozenset(
    {"run", "call", "check_call", "check_output", "Popen", "getoutput", "system", "popen", "main"}
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def installed_by(modules: Mapping[str, ast.Module]) -> set[str]:
    """What Ray installs for the job, and what a notebook's magics do: names, normalised."""
    return names(modules, in_runtime_env) | names(modules, in_magics)


def installed_with_pip(modules: Mapping[str, ast.Module]) -> set[str]:
    """What the job installs with a command of its own, while it runs, on the node where that runs."""
    return names(modules, in_commands)


def names(modules: Mapping[str, ast.Module], requirements: Callable[[ast.AST], Iterator[str]]) -> set[str]:
    nodes = (node for tree in modules.values() for node in ast.walk(tree))
    return {normal(match[0]) for node in nodes for text in requirements(node) if (match := NAME.match(text))}


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
    if isinstance(node, ast.Call) and name_of(node.func) in RUNNERS and not of_ipython(node):
        yield from behind_install(words_of(node))


def in_magics(node: ast.AST) -> Iterator[str]:
    """The requirements in a notebook's `!pip install …` or `%pip install …`."""
    if isinstance(node, ast.Call) and of_ipython(node):
        yield from behind_install(words_of(node))


def of_ipython(node: ast.Call) -> bool:
    above = node.func.value if isinstance(node.func, ast.Attribute) else None
    return isinstance(above, ast.Call) and name_of(above.func) == "get_ipython"


def words_of(node: ast.Call) -> list[str]:
    return [word for one in node.args for text in texts(one) for word in text.split()]


def behind_install(words: list[str]) -> Iterator[str]:
    if "install" in words and (words[0] in ("pip", "pip3", "uv", "-m", "conda") or "pip" in words):
        yield from (word for word in words[words.index("install") + 1 :] if not word.startswith("-"))


def texts(node: ast.AST) -> Iterator[str]:
    """The string constants in an expression, in the order of the text."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
