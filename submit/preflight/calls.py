"""Calls in the job's text that work alone and not in a job: arguments of ray.init, a notebook's magics, input()."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from raydock.jobscript.text import Text, name_of

from ..findings import Finding
from .analysis.conditions import Conditions
from .analysis.reach import Reach, judged
from .draft import Draft

# Refused where a cluster is there already: ray/_private/worker.py of Ray 2.47.1.
FOR_A_NEW_CLUSTER = (
    "num_cpus", "num_gpus", "resources", "labels", "object_store_memory", "storage", "_system_config",
    "_enable_object_reconstruction", "_node_name",
)  # fmt: skip
MAGICS = ("run_line_magic", "run_cell_magic", "system", "getoutput", "magic")


PERHAPS = "call ray.init(): it connects to the cluster that runs the job"


def check_calls(draft: Draft) -> Iterable[Finding]:
    """Nothing is called that Ray refuses in a job, or that only a notebook or a terminal has."""
    defined = {name: names_defined(tree) for name, tree in draft.modules.items()}
    for name, node, reach in draft.nodes:
        if isinstance(node, ast.Call) and reach is not Reach.PROVIDED:
            for reason, fix in (*of_init(node, draft), *of_notebook(node, defined[name])):
                sure = min(reach, Reach.MAYBE) if fix == PERHAPS else reach
                yield judged(sure, "script", f"{name}:{node.lineno} {reason}", fix)


def of_init(node: ast.Call, draft: Draft) -> Iterator[tuple[str, str]]:
    """What is wrong with a call of ray.init, and what to do about it."""
    text = draft.conditions.text
    if text.dotted(node.func) != "ray.init":
        return
    given = keywords(node, text)
    for name in FOR_A_NEW_CLUSTER:
        if name in given and not may_be_none(given[name], draft.conditions):
            yield (
                f"calls ray.init({name}=…), which Ray rejects in a job: the cluster is already running.",
                "call ray.init() without it; set a task's resources with @ray.remote(num_cpus=…)",
            )
    (address, *_) = draft.conditions.of_expression(node.args[0] if node.args else given.get("address")) or (
        None,
    )
    if isinstance(address, str) and address not in ("", "auto", "local"):
        yield f"calls ray.init({address!r}), a cluster that the job may not be able to reach.", PERHAPS
    if address == "local":
        yield (
            'calls ray.init("local"), which starts a second Ray on the head node and leaves the cluster idle.',
            "call ray.init()",
        )
    for key in conflicts(given.get("runtime_env"), draft, text):
        yield (
            f"passes ray.init a runtime_env with {key}, which Ray rejects: the job is submitted with its own.",
            runtime_env_fix(key, draft),
        )


def keywords(node: ast.Call, text: Text) -> dict[str, ast.expr]:
    """The keyword arguments of a call, those of `**name` too where the name stands for a dict in the text."""
    found: dict[str, ast.expr] = {}
    for one in node.keywords:
        for key, value in [(one.arg, one.value)] if one.arg else pairs(one.value, text):
            found[key] = value
    return found


def pairs(node: ast.AST | None, text: Text) -> list[tuple[str, ast.expr]]:
    """The entries of an expression that is a dict, or a name of one, or RuntimeEnv(…)."""
    if isinstance(node, ast.Dict):
        items = zip(node.keys, node.values, strict=True)
        return [
            (key.value, value)
            for key, value in items
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
    if isinstance(node, ast.Call) and name_of(node.func) in ("dict", "RuntimeEnv"):
        return [(one.arg, one.value) for one in node.keywords if one.arg]
    if isinstance(node, ast.Name):
        values = text.values.get(node.id, [])
        return pairs(values[0], text) if len(values) == 1 and not isinstance(values[0], ast.Name) else []
    return []


def may_be_none(node: ast.expr, conditions: Conditions) -> bool:
    """Is it None or False, or could it be? What the text doesn't tell is something else, unless None is in it."""
    if values := conditions.of_expression(node):
        return values[0] is None or values[0] is False
    named = conditions.text.values.get(node.id, []) if isinstance(node, ast.Name) else []
    parts = [
        part for one in (node, *named) if isinstance(one, (ast.BoolOp, ast.IfExp)) for part in ast.walk(one)
    ]
    return any(isinstance(part, ast.Constant) and part.value is None for part in parts)


def conflicts(node: ast.AST | None, draft: Draft, text: Text) -> Iterator[str]:
    """The fields of a runtime_env that the job's own has as well: ray.runtime_env.runtime_env._merge_runtime_env."""
    if "RAY_OVERRIDE_JOB_RUNTIME_ENV" in draft.env:
        return
    for key, value in pairs(node, text):
        if key == "working_dir" or (key in ("pip", "uv") and draft.installs):
            yield key
        elif key == "env_vars":
            yield from (f"env_vars {name}" for name, _ in pairs(value, text) if name in draft.env)


def runtime_env_fix(key: str, draft: Draft) -> str:
    if key == "working_dir":
        return "remove working_dir, and send the folder with --working-dir instead"
    if key in ("pip", "uv"):
        return "declare its packages in the header's dependencies instead"
    return "remove it there, or drop --env"


def of_notebook(node: ast.Call, defined: set[str]) -> Iterator[tuple[str, str]]:
    """What only a notebook or a terminal has."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in defined:
        return
    if name == "get_ipython":
        yield "is a notebook magic, which plain Python does not have.", magic_fix()
    elif name == "display":
        yield (
            "calls display(), which exists only in notebooks.",
            "use print(), or `from IPython.display import display`",
        )
    elif name == "input":
        yield (
            "calls input(), but a job has no terminal.",
            "pass the value as an argument: python submit.py x.py -- --name VALUE",
        )


def magic_fix() -> str:
    return 'remove the line; declare what %pip installs in the header: dependencies = ["…"]'


def names_defined(tree: ast.Module) -> set[str]:
    """The names that a module binds itself."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found
