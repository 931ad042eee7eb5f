"""Packages that a job installs by itself: in the runtime_env of its text, or with pip."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from ..job_text import name_of
from .distributions import normal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def installed_by(modules: Mapping[str, ast.Module]) -> set[str]:
    """Their names, normalised."""
    return {
        normal(match[0])
        for tree in modules.values()
        for node in ast.walk(tree)
        for text in requirements(node)
        if (match := NAME.match(text))
    }


def requirements(node: ast.AST) -> Iterator[str]:
    """The requirements in one expression: a "pip" or "uv" key, RuntimeEnv(pip=…), or `pip install …`."""
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
        words = [word for one in node.args for text in texts(one) for word in text.split()]
        if "install" in words and (words[0] in ("pip", "pip3", "uv", "-m", "conda") or "pip" in words):
            yield from (word for word in words[words.index("install") + 1 :] if not word.startswith("-"))
        elif name_of(node.func) == "run_line_magic" and words[:1] == ["pip"]:
            yield from words[2:]


def texts(node: ast.AST) -> Iterator[str]:
    """The string constants in an expression, in the order of the text."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
