"""Does a condition of the job hold, and which of its functions do its arguments choose?"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from raydock.jobscript.text import name_of

from .values import Values

# A condition that mentions one of them chooses between places or versions.
CHOICES = frozenset(
    {"TYPE_CHECKING", "version_info", "platform", "system", "find_spec", "RAY_ADDRESS", "modules", "get_ipython",
     "is_initialized", "IN_COLAB", "COLAB_RELEASE_TAG", "google.colab", "globals", "hasattr", "cuda", "is_available"}
)  # fmt: skip


@dataclass
class Conditions(Values):
    """What is known of names, options, parameters and commands, in all modules of a job."""

    commands: dict[str, str] = field(
        default_factory=dict
    )  # functions that are commands of click's or typer's: names

    @classmethod
    def of(cls, trees: Iterable[ast.Module], arguments: Iterable[str]) -> Conditions:
        trees = list(trees)
        found = super().of(trees, arguments)
        assert isinstance(found, cls)
        for node in (node for tree in trees for node in ast.walk(tree)):
            if isinstance(node, ast.FunctionDef):
                found.commands.update(_command(node))
        return found

    def other_command(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Is it a command of the job that its arguments don't name, where there are several?"""
        name = self.commands.get(node.name)
        return name is not None and len(self.commands) > 1 and name not in self.arguments

    def chooses(self, test: ast.AST, depth: int = 2) -> bool:
        """Does it choose between places or versions, itself or by a name that stands for such a condition?"""
        for node in ast.walk(test):
            name = node.value if isinstance(node, ast.Constant) else name_of(node)
            if isinstance(name, str) and name in CHOICES:
                return True
            values = self.text.values.get(node.id, []) if isinstance(node, ast.Name) and depth else []
            if any(self.chooses(value, depth - 1) for value in values):
                return True
        return False

    def holds(self, test: ast.expr, depth: int = 6) -> bool | None:
        """True or False where the text tells it."""
        if isinstance(test, ast.BoolOp) and depth:  # one part may decide, whatever the others are
            decides = isinstance(test.op, ast.Or)
            known = [self.holds(one, depth - 1) for one in test.values]
            return decides if decides in known else None if None in known else not decides
        values = self.of_expression(test)
        return bool(values[0]) if values else None


def _command(node: ast.FunctionDef) -> dict[str, str]:
    """What click or typer call a function, if it is one of their commands."""
    for one in node.decorator_list:
        call = one if isinstance(one, ast.Call) else ast.Call(one, [], [])
        if name_of(call.func) == "command":
            named = next((text.value for text in call.args if isinstance(text, ast.Constant)), None)
            return {node.name: str(named or node.name.lower().replace("_", "-"))}
    return {}
