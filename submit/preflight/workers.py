"""The worker path check: workers do not see the script's changes to sys.path, but unpickle tasks that rely on them."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Iterator

from raydock.jobscript.reach import Reach
from raydock.jobscript.text import name_of

from ..findings import Finding, unknown
from ..plan import JobPlan
from .shadowing import module_of


def check_workers(plan: JobPlan) -> Iterable[Finding]:
    """Check that no task uses a module found only through the script's sys.path: workers have only the job's folder."""
    if "PYTHONPATH" in plan.env:
        return
    off_path = modules_off_path(plan)
    used = set(names_in_tasks(plan))
    for name, node, reach in plan.nodes:
        if reach < Reach.MAYBE or not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        for module, bound in bindings(node):
            if bound in used and (folder := off_path.get(module)):
                yield unknown(
                    "imports",
                    f"{name}:{node.lineno} imports {module} from {folder}, which only the script adds to sys.path, "
                    "and a task uses it: workers look only in the job's folder.",
                    f"pass --env PYTHONPATH={folder}",
                )
                return


def modules_off_path(plan: JobPlan) -> dict[str, str]:
    """The packaged modules in folders that are not on the workers' path, each with its folder."""
    on_path = {"", posixpath.dirname(plan.name)}
    found: dict[str, str] = {}
    near = set()
    for entry in plan.contents.entries:
        above, _, file = entry.name.rpartition("/")
        if file == "__init__.py":
            above, _, file = above.rpartition("/")
        top = file if "." not in file else module_of(file)
        if top and above in on_path:
            near.add(top)
        elif top:
            found.setdefault(top, above)
    return {top: folder for top, folder in found.items() if top not in near}


def names_in_tasks(plan: JobPlan) -> Iterator[str]:
    """The names used in remote functions and classes, except those that change sys.path themselves."""
    nodes = [node for name, node, _ in plan.nodes if name == plan.name]
    remote = {
        name_of(argument)
        for node in nodes
        if isinstance(node, ast.Call) and plan.conditions.text.dotted(node.func) == "ray.remote"
        for argument in node.args
    }
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            decorators = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
            if node.name in remote or "ray.remote" in map(plan.conditions.text.dotted, decorators):
                names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
                yield from names if "sys" not in names else ()


def bindings(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """The top-level module of an import, with each name that it binds."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.name.partition(".")[0], (alias.asname or alias.name).partition(".")[0]
        elif node.module and not node.level:
            yield node.module.partition(".")[0], alias.asname or alias.name
