"""The values of function parameters, for functions whose calls are all in the job's source."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from raydock.jobscript.text import name_of


def parameters_of(trees: Iterable[ast.Module]) -> dict[str, tuple[ast.expr, ...]]:
    """For each parameter name, the expressions that calls pass for it, or its default."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    defined = defaultdict(list)
    calls = defaultdict(list)
    mentions = Counter(
        name_of(node)
        for node in nodes
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)
    )
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            defined[node.name].append(node)
        elif isinstance(node, ast.Call):
            calls[name_of(node.func)].append(node)
    found: dict[str, tuple[ast.expr, ...]] = {}
    for name, (function, *others) in defined.items():
        if not others and calls[name] and len(calls[name]) == mentions[name] and not function.decorator_list:
            found |= dict(arguments_of(function, calls[name]))
    return found


def arguments_of(
    function: ast.FunctionDef | ast.AsyncFunctionDef, calls: list[ast.Call]
) -> Iterator[tuple[str, tuple[ast.expr, ...]]]:
    """Each parameter, with the expressions that the calls pass for it. Skips parameters that some call leaves open."""
    positional = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    if positional[:1] in (["self"], ["cls"]):
        positional = positional[1:]
    defaults = dict(zip(reversed(positional), reversed(function.args.defaults), strict=False))
    for keyword, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        if default:
            defaults[keyword.arg] = default
    for name in (*positional, *(one.arg for one in function.args.kwonlyargs)):
        index = positional.index(name) if name in positional else None
        values = [argument_for(call, name, index) or defaults.get(name) for call in calls]
        if all(values) and not any(map(unpacks_arguments, calls)):
            yield name, tuple(value for value in values if value)


def argument_for(call: ast.Call, name: str, index: int | None) -> ast.expr | None:
    """The expression that a call passes for a parameter, or None."""
    if index is not None and index < len(call.args):
        return call.args[index]
    return next((one.value for one in call.keywords if one.arg == name), None)


def unpacks_arguments(call: ast.Call) -> bool:
    """Whether a call unpacks a list or a dict into arguments."""
    return any(isinstance(one, ast.Starred) for one in call.args) or any(not one.arg for one in call.keywords)
