"""Calls that work locally but not in a job: some arguments of ray.init, notebook magics, input()."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from raydock.jobscript.conditions import Conditions
from raydock.jobscript.reach import Reach
from raydock.jobscript.text import Text, name_of

from ..findings import Finding
from ..plan import JobPlan
from .certainty import finding_for

# Rejected when connecting to an existing cluster: ray/_private/worker.py of Ray 2.47.1.
NEW_CLUSTER_ARGUMENTS = (
    "num_cpus", "num_gpus", "resources", "labels", "object_store_memory", "storage", "_system_config",
    "_enable_object_reconstruction", "_node_name",
)  # fmt: skip
MAGICS = ("run_line_magic", "run_cell_magic", "system", "getoutput", "magic")
ADDRESS_FIX = "call ray.init(): it connects to the cluster that runs the job"


def check_calls(plan: JobPlan) -> Iterable[Finding]:
    """Check for calls that Ray rejects in a job, or that need a notebook or a terminal."""
    defined = {name: names_defined(tree) for name, tree in plan.modules.items()}
    for name, node, reach in plan.nodes:
        if isinstance(node, ast.Call) and reach is not Reach.HANDLED:
            for reason, fix in (*init_problems(node, plan), *notebook_problems(node, defined[name])):
                sure = min(reach, Reach.MAYBE) if fix == ADDRESS_FIX else reach
                yield finding_for(sure, "script", f"{name}:{node.lineno} {reason}", fix)


def init_problems(node: ast.Call, plan: JobPlan) -> Iterator[tuple[str, str]]:
    """The problems of a call to ray.init, each with its fix."""
    text = plan.conditions.text
    if text.dotted(node.func) != "ray.init":
        return
    given = keywords(node, text)
    for name in NEW_CLUSTER_ARGUMENTS:
        if name in given and not may_be_none(given[name], plan.conditions):
            yield (
                f"calls ray.init({name}=…), which Ray rejects in a job: the cluster is already running.",
                "call ray.init() without it; set a task's resources with @ray.remote(num_cpus=…)",
            )
    (address, *_) = plan.conditions.of_expression(node.args[0] if node.args else given.get("address")) or (
        None,
    )
    if isinstance(address, str) and address not in ("", "auto", "local"):
        yield f"calls ray.init({address!r}), a cluster that the job may not be able to reach.", ADDRESS_FIX
    if address == "local":
        yield (
            'calls ray.init("local"), which starts a second Ray instance on the head node and leaves the cluster idle.',
            "call ray.init()",
        )
    for key in conflicts(given.get("runtime_env"), plan, text):
        yield (
            f"passes ray.init a runtime_env with {key}, which Ray rejects: the job is submitted with its own.",
            runtime_env_fix(key, plan),
        )


def keywords(node: ast.Call, text: Text) -> dict[str, ast.expr]:
    """The keyword arguments of a call, including those of `**name` if the source defines `name` as a dict."""
    found: dict[str, ast.expr] = {}
    for one in node.keywords:
        for key, value in [(one.arg, one.value)] if one.arg else dict_items(one.value, text):
            found[key] = value
    return found


def dict_items(node: ast.AST | None, text: Text) -> list[tuple[str, ast.expr]]:
    """The entries of an expression that is a dict, the name of a dict, or RuntimeEnv(…)."""
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
        return dict_items(values[0], text) if len(values) == 1 and not isinstance(values[0], ast.Name) else []
    return []


def may_be_none(node: ast.expr, conditions: Conditions) -> bool:
    """Whether an argument is None or False, or could be: an unknown value counts only if its expression has a None."""
    if values := conditions.of_expression(node):
        return values[0] is None or values[0] is False
    named = conditions.text.values.get(node.id, []) if isinstance(node, ast.Name) else []
    parts = [
        part for one in (node, *named) if isinstance(one, (ast.BoolOp, ast.IfExp)) for part in ast.walk(one)
    ]
    return any(isinstance(part, ast.Constant) and part.value is None for part in parts)


def conflicts(node: ast.AST | None, plan: JobPlan, text: Text) -> Iterator[str]:
    """The fields of a runtime_env that the job's own one also sets: ray.runtime_env.runtime_env._merge_runtime_env."""
    if "RAY_OVERRIDE_JOB_RUNTIME_ENV" in plan.env:
        return
    for key, value in dict_items(node, text):
        if key == "working_dir" or (key in ("pip", "uv") and plan.installs):
            yield key
        elif key == "env_vars":
            yield from (f"env_vars {name}" for name, _ in dict_items(value, text) if name in plan.env)


def runtime_env_fix(key: str, plan: JobPlan) -> str:
    """How to resolve a conflict between the runtime_env of ray.init and that of the job."""
    if key == "working_dir":
        return "remove working_dir, and send the folder with --working-dir instead"
    if key in ("pip", "uv"):
        return "declare its packages in the header's dependencies instead"
    return "remove it there, or omit --env"


def notebook_problems(node: ast.Call, defined: set[str]) -> Iterator[tuple[str, str]]:
    """The problems of a call that needs a notebook or a terminal, each with its fix."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in defined:
        return
    if name == "get_ipython":
        yield "is a notebook magic, which plain Python does not support.", magic_fix()
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
    """What to do about a notebook magic."""
    return 'remove the line; declare what %pip installs in the header: dependencies = ["…"]'


def names_defined(tree: ast.Module) -> set[str]:
    """The names that a module defines itself."""
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
