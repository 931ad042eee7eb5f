"""Paths in a job's source: constants, and those built from `__file__`."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raydock.jobscript.text import Text, name_of

from ...plan import JobPlan

READERS = re.compile(
    r"open|read_\w+|load\w*|genfromtxt|imread|fromfile|from_file|parse|read|ImageFolder|safe_load|File|ParquetFile"
)
WRITERS = re.compile(
    r"to_\w+|save\w*|dump\w*|write\w*|imsave|mkdir|makedirs|touch|FileHandler|tofile|imwrite|rename|copy\w*|connect"
    r"|urlretrieve|download\w*|extract\w*|unpack\w*|system|run|call|check_call|Popen"
)
EXISTENCE_CHECKS = re.compile(r"exists|isfile|isdir|is_file|is_dir|access|lexists")
PATH_METHODS = ("open", "read_text", "read_bytes")  # methods of pathlib.Path that read
_FILE = "\0"  # prefix of a local path built from __file__
SAME = (
    "Path",
    "PurePath",
    "PosixPath",
    "str",
    "fspath",
    "abspath",
    "realpath",
    "normpath",
    "resolve",
    "absolute",
)


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths in the source of a job."""

    plan: JobPlan
    texts: Mapping[str, Text]  # by module

    @classmethod
    def of(cls, plan: JobPlan) -> Paths:
        """The paths in the modules of a plan."""
        texts = {name: Text() for name in plan.modules}
        for name, tree in plan.modules.items():
            texts[name].read(tree)
        return cls(plan, texts)

    def passed_to(self, calls: re.Pattern[str], writing: bool = False) -> set[str]:
        """The paths passed to calls with these names; with `writing`, only to calls that open a file for writing."""
        found = set()
        for name, tree in self.plan.modules.items():
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Call)
                    and calls.fullmatch(name_of(node.func))
                    and (not writing or writes(node))
                ):
                    of = node.func.value if isinstance(node.func, ast.Attribute) else node.func
                    for one in (*node.args, *(keyword.value for keyword in node.keywords), of):
                        texts = [text_of(part) for part in ast.walk(one)]
                        found |= {self.path(one, name), *texts, *" ".join(texts).split()}
        return found - {""}

    def opened(self, node: ast.Call, module: str) -> str:
        """The path that a call reads; "" if the source does not determine it."""
        if writes(node):
            return ""
        called, of = name_of(node.func), node.func.value if isinstance(node.func, ast.Attribute) else None
        if of and called in PATH_METHODS and (path := self.path(of, module)):
            return path
        return self.path(node.args[0], module) if node.args and READERS.fullmatch(called) else ""

    def path(self, node: ast.AST, module: str) -> str:
        """A path as written, or relative to the package's root if built from `__file__`; "" if undetermined."""
        found = self._joined(node, module, 12)
        if not found.startswith(_FILE):
            return found
        root = os.path.realpath(self.plan.contents.root)
        return os.path.relpath(os.path.normpath(found.removeprefix(_FILE)), root)

    def _joined(self, node: ast.AST | None, module: str, depth: int) -> str:
        depth -= 1
        if depth < 0:
            return ""
        if isinstance(node, ast.Constant):
            return text_of(node)
        if isinstance(node, ast.Name):
            return self._named(node.id, module, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return self._all([node.left, node.right], module, depth)
        if isinstance(node, ast.Subscript) and name_of(node.value) == "parents":
            above = node.value.value if isinstance(node.value, ast.Attribute) else None
            count = node.slice.value if isinstance(node.slice, ast.Constant) else None
            return self._above(above, count + 1, module, depth) if isinstance(count, int) else ""
        if isinstance(node, ast.Attribute) and self.plan.conditions.is_option(node):
            default = "".join(one for one in self.plan.conditions.of_expression(node) if isinstance(one, str))
            return "" if any(default in word for word in self.plan.arguments) else default
        if isinstance(node, ast.Attribute):
            return self._above(node.value, 1, module, depth) if node.attr == "parent" else ""
        return self._called(node, module, depth) if isinstance(node, ast.Call) else ""

    def _named(self, name: str, module: str, depth: int) -> str:
        if name == "__file__":
            return _FILE + os.path.join(os.path.realpath(self.plan.contents.root), module)
        values = self.texts[module].values.get(name, [])
        return self._joined(values[0], module, depth) if len(values) == 1 else ""

    def _called(self, node: ast.Call, module: str, depth: int) -> str:
        called, of = name_of(node.func), node.func.value if isinstance(node.func, ast.Attribute) else None
        if called == "dirname" and node.args:
            return self._above(node.args[0], 1, module, depth)
        if called in SAME:
            return self._all(node.args, module, depth) if node.args else self._joined(of, module, depth)
        if called == "join" and len(node.args) > 1:
            return self._all(node.args, module, depth)
        if called == "joinpath" and of:
            return self._all([of, *node.args], module, depth)
        if called == "with_name" and of and node.args:
            above, name = self._above(of, 1, module, depth), self._joined(node.args[0], module, depth)
            return os.path.join(above, name) if above and name else ""
        return ""

    def _all(self, nodes: Sequence[ast.AST], module: str, depth: int) -> str:
        parts = [self._joined(one, module, depth) for one in nodes]
        return os.path.join(*parts) if all(parts) else ""

    def _above(self, node: ast.AST | None, count: int, module: str, depth: int) -> str:
        """The folder `count` levels above a path built from `__file__`; "" for any other path."""
        found = self._joined(node, module, depth)
        return os.path.normpath(os.path.join(found, *[".."] * count)) if found.startswith(_FILE) else ""


def writes(node: ast.Call) -> bool:
    """Whether a call opens a file for writing."""
    modes = [*node.args[:2], *(one.value for one in node.keywords if one.arg == "mode")]
    return any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax") for mode in map(text_of, modes))


def text_of(node: ast.AST | None) -> str:
    """The value of a string constant; "" for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
