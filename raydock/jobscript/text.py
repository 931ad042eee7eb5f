"""A job's modules as a whole: what they import, and which expressions a name in them may refer to.

Scopes are not distinguished: if two functions use the same local name, it may refer to either value.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Text:
    """All modules of a job: what they import, and which expressions a name may refer to."""

    imported: dict[str, str] = field(default_factory=dict)  # a local name → the dotted name it stands for
    used: set[str] = field(default_factory=set)
    values: dict[str, list[ast.AST]] = field(default_factory=dict)
    functions: dict[str, list[str]] = field(default_factory=dict)

    def uses(self, *modules: str) -> bool:
        """Whether one of the modules, or something in it, is imported."""
        return any(f"{name}.".startswith(f"{module}.") for name in self.used for module in modules)

    def dotted(self, node: ast.AST) -> str:
        """The full dotted name of an imported object; "" for anything else."""
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        first = self.imported.get(node.id, "") if isinstance(node, ast.Name) else ""
        return ".".join([first, *reversed(names)]) if first else ""

    def read(self, tree: ast.AST) -> None:
        """Add a module. Functions are collected first, because a call may precede the definition."""
        nodes = list(ast.walk(tree))
        for node in nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
            elif isinstance(node, ast.FunctionDef):
                given = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
                self.functions[node.name] = given[given[:1] in (["self"], ["cls"]) :]
            elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    self._assign(target, node.value)

    def pass_arguments(self, tree: ast.AST) -> None:
        """Record that a parameter may have the values that calls pass for it."""
        for node in ast.walk(tree):
            self.used.update(filter(None, [self.dotted(node)]))
            if isinstance(node, ast.Call):
                parameters = self.functions.get(name_of(node.func), [])
                for parameter, argument in zip(parameters, node.args, strict=False):
                    self.values.setdefault(parameter, []).append(argument)
                for keyword in node.keywords:
                    if keyword.arg in parameters:
                        self.values.setdefault(str(keyword.arg), []).append(keyword.value)

    def mentioned(self, about: Iterable[ast.AST]) -> tuple[set[str], set[str], bool]:
        """The names and strings in expressions, and in the values of these names.

        The third result is whether all names could be resolved.
        """
        names: set[str] = set()
        texts: set[str] = set()
        waiting = list(about)
        while waiting:
            for node in ast.walk(waiting.pop()):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.add(node.value)
                name = name_of(node)
                if name and name not in names:
                    names.add(name)
                    waiting += self.values.get(name, [])
        return names, texts, names <= set(self.values)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                whole = f"{node.module or ''}.{alias.name}"
                self.imported[alias.asname or alias.name] = whole
            else:
                whole = alias.name
                self.imported[alias.asname or whole.partition(".")[0]] = (
                    whole if alias.asname else whole.partition(".")[0]
                )
            self.used.add(whole)

    def _assign(self, target: ast.AST, value: ast.AST) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            for one in target.elts:
                self._assign(one, value)
        elif name := name_of(target):
            self.values.setdefault(name, []).append(value)


def name_of(node: ast.AST) -> str:
    """The last part of a name or attribute; "" for other nodes."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def parsed(sources: Mapping[str, bytes]) -> dict[str, ast.Module]:
    """The modules' syntax trees. Skips modules that do not parse: packaging reports them."""
    found = {}
    for name, source in sources.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the module's own warnings, shown when it runs
                found[name] = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return found
