"""The checks that run before a job is submitted. Each is a pure function of the plan and the cluster information.

To add a check, write a function in a module here and list it in `CHECKS` or `CLUSTER_CHECKS`. All findings are shown
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from raydock.rayapi.cluster_info import ClusterInfo

from ..findings import Finding
from ..plan import JobPlan
from .calls import check_calls
from .cluster import check_disk, check_python, check_ray, check_resources, full, room
from .conflicts import check_conflicts
from .declared import check_dependencies, check_syntax
from .files import check_local_files
from .imports import check_imports
from .shadowing import check_shadowing
from .shared import check_shared
from .sizes import check_expansion, check_sizes
from .travels import check_arguments, check_environment, check_package
from .workers import check_workers

__all__ = ["full", "preflight", "room"]


def preflight(plan: JobPlan, facts: ClusterInfo | None) -> list[Finding]:
    """Run all checks; without `facts` (no cluster answered), only those that do not need the cluster."""
    found: list[Finding] = []
    for check in CHECKS:
        found += check(plan)
    if facts:
        for check_with_facts in CLUSTER_CHECKS:
            found += check_with_facts(plan, facts)
    return found


CHECKS: tuple[Callable[[JobPlan], Iterable[Finding]], ...] = (
    check_package,
    check_environment,
    check_arguments,
    check_sizes,
    check_expansion,
    check_shadowing,
    check_calls,
    check_workers,
    check_local_files,
    check_dependencies,
)
CLUSTER_CHECKS: tuple[Callable[[JobPlan, ClusterInfo], Iterable[Finding]], ...] = (
    check_ray,
    check_python,
    check_syntax,
    check_imports,
    check_conflicts,
    check_shared,
    check_resources,
    check_disk,
)
