"""What the parameters of a job's functions stand for, where its text has all calls of them."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from raydock.jobscript.text import name_of


def parameters_of(trees: Iterable[ast.Module]) -> dict[str, tuple[ast.expr, ...]]:
    """By the parameter's name, the expressions that calls give for it, or its default."""
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
            found |= dict(given(function, calls[name]))
    return found


def given(
    function: ast.FunctionDef | ast.AsyncFunctionDef, calls: list[ast.Call]
) -> Iterator[tuple[str, tuple[ast.expr, ...]]]:
    """Each parameter with what all of the calls give for it; those of which one call does not tell it are left out."""
    positional = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    if positional[:1] in (["self"], ["cls"]):
        positional = positional[1:]
    defaults = dict(zip(reversed(positional), reversed(function.args.defaults), strict=False))
    for keyword, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        if default:
            defaults[keyword.arg] = default
    for name in (*positional, *(one.arg for one in function.args.kwonlyargs)):
        index = positional.index(name) if name in positional else None
        values = [of_call(call, name, index) or defaults.get(name) for call in calls]
        if all(values) and not any(map(is_open, calls)):
            yield name, tuple(value for value in values if value)


def of_call(call: ast.Call, name: str, index: int | None) -> ast.expr | None:
    """What a call gives for a parameter."""
    if index is not None and index < len(call.args):
        return call.args[index]
    return next((one.value for one in call.keywords if one.arg == name), None)


def is_open(call: ast.Call) -> bool:
    """Does a call hand over a list or a dict of arguments?"""
    return any(isinstance(one, ast.Starred) for one in call.args) or any(not one.arg for one in call.keywords)
