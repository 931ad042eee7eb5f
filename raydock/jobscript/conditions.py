"""Evaluate the conditions in a job's source, and find the commands that its arguments select."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from raydock.jobscript.text import name_of

from .values import Values

# A condition that uses one of these names selects an environment or a version.
CHOICES = frozenset(
    {"TYPE_CHECKING", "version_info", "platform", "system", "find_spec", "RAY_ADDRESS", "modules", "get_ipython",
     "is_initialized", "IN_COLAB", "COLAB_RELEASE_TAG", "google.colab", "globals", "hasattr", "cuda", "is_available"}
)  # fmt: skip


@dataclass
class Conditions(Values):
    """What a job's modules determine about names, options, parameters and commands."""

    # The commands that click or typer defines: function name → command name.
    commands: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, trees: Iterable[ast.Module], arguments: Iterable[str]) -> Conditions:
        """The conditions that the modules and the job's arguments determine."""
        trees = list(trees)
        found = super().of(trees, arguments)
        assert isinstance(found, cls)
        for node in (node for tree in trees for node in ast.walk(tree)):
            if isinstance(node, ast.FunctionDef):
                found.commands.update(_command(node))
        return found

    def is_other_command(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether a function is one of several commands, and not the one that the arguments select."""
        name = self.commands.get(node.name)
        return name is not None and len(self.commands) > 1 and name not in self.arguments

    def selects_environment(self, test: ast.AST, depth: int = 2) -> bool:
        """Whether a condition selects an environment or a version, directly or through a name."""
        for node in ast.walk(test):
            name = node.value if isinstance(node, ast.Constant) else name_of(node)
            if isinstance(name, str) and name in CHOICES:
                return True
            values = self.text.values.get(node.id, []) if isinstance(node, ast.Name) and depth else []
            if any(self.selects_environment(value, depth - 1) for value in values):
                return True
        return False

    def holds(self, test: ast.expr, depth: int = 6) -> bool | None:
        """Whether a condition is true or false, or None if the source does not determine it."""
        if isinstance(test, ast.BoolOp) and depth:  # one part may decide, regardless of the others
            decides = isinstance(test.op, ast.Or)
            known = [self.holds(one, depth - 1) for one in test.values]
            return decides if decides in known else None if None in known else not decides
        values = self.of_expression(test)
        return bool(values[0]) if values else None


def _command(node: ast.FunctionDef) -> dict[str, str]:
    """A function's name → its command's name, if click or typer makes it a command."""
    for one in node.decorator_list:
        call = one if isinstance(one, ast.Call) else ast.Call(one, [], [])
        if name_of(call.func) == "command":
            named = next((text.value for text in call.args if isinstance(text, ast.Constant)), None)
            return {node.name: str(named or node.name.lower().replace("_", "-"))}
    return {}
