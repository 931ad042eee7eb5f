"""What travels in a job's metadata for `python -m iam used`.

That is what its header declares, what its source shows, and whether the lab's gateway is to let it run alone.
"""

from __future__ import annotations

import ast

from iam.used.jobs import DECLARED, LOOKS_UP, Declared

from ..plan import JobPlan
from ..preflight.analysis.defaults import with_defaults

LOOKUPS = frozenset({"get_bucket", "lookup_bucket"})
ALONE = "alone"  # the lab's gateway reads it: cloud/gateway/job_limit.py
OF_BUCKETS = frozenset({"reload", "exists", "update", "patch"})  # methods of objects, too


def about(plan: JobPlan, alone: bool = False) -> dict[str, str]:
    """The metadata. Each part is omitted if it says nothing."""
    lookup = any(looks_up(node) for tree in plan.modules.values() for node in ast.walk(tree))
    found = {
        DECLARED: declared(plan).encoded(),
        LOOKS_UP: "yes" if lookup else "",
        ALONE: "yes" if alone else "",
    }
    return {name: value for name, value in found.items() if value}


def declared(plan: JobPlan) -> Declared:
    """The header's `reads` and `writes`, with the arguments' defaults that the source determines."""
    header = plan.header
    entries = (*header.reads, *header.writes)
    resolved = with_defaults(entries, plan.modules.values(), plan.arguments) if entries else ()
    pairs = (one.partition("=") for one in resolved)
    defaults = {name: value for name, _, value in pairs if value and name in entries}
    return Declared(header.reads, header.writes, defaults)


def looks_up(node: ast.AST) -> bool:
    """Whether a node is a call of google-cloud-storage that needs storage.buckets.get, or may be one."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    owner = ast.unparse(node.func.value).lower()
    of_bucket = "bucket" in owner and ".blob(" not in owner
    return node.func.attr in LOOKUPS or (node.func.attr in OF_BUCKETS and of_bucket)
