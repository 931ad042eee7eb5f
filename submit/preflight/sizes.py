"""Checks that the environment and arguments fit into one string each, and reach the job unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from ..findings import Finding, denied
from ..plan import JobPlan

# Linux allows 128 KiB for one argument or variable, MAX_ARG_STRLEN: https://man7.org/linux/man-pages/man2/execve.2.html
MAX_ARG_STRLEN = 128 * 1024
# Ray's own share of the string that carries the environment: --serialized-runtime-env-context and
# RAY_JOB_CONFIG_JSON_ENV_VAR, with the job's id, folders and packages (runtime_env/context.py, job_manager.py).
RAY_OVERHEAD = 8 * 1024
# ray._private.utils.update_envs calls os.path.expandvars, then removes ${CAPITALS}.
EXPANDED = re.compile(r"\$(?:[A-Za-z_]\w*|\{[^}]*\})", re.ASCII)


def check_sizes(plan: JobPlan) -> Iterable[Finding]:
    """Check that the environment and arguments fit into the strings in which Ray passes them."""
    size = len(json.dumps(dict(plan.env)))
    if size > MAX_ARG_STRLEN - RAY_OVERHEAD:
        largest = max(plan.env, key=lambda name: len(plan.env[name]))
        yield denied(
            "environment",
            f"The environment is {size:,} bytes as JSON, most of them in {largest}; the limit is "
            f"{MAX_ARG_STRLEN - RAY_OVERHEAD:,}.",
            "put it in a file listed in the header's files, or in a bucket",
        )
    size = len(plan.entrypoint.encode("utf-8", "surrogateescape")) + 1
    if size > MAX_ARG_STRLEN:
        yield denied(
            "arguments",
            f"The command line is {size:,} bytes with {len(plan.arguments):,} arguments; the limit is "
            f"{MAX_ARG_STRLEN:,}.",
            "put the list in a file listed in the header's files, or pass a pattern such as 'data/*.parquet'",
        )


def check_expansion(plan: JobPlan) -> Iterable[Finding]:
    """Check that no variable contains text that Ray would expand on the cluster (ray#36187): it can't be escaped."""
    for name, value in plan.env.items():
        if found := EXPANDED.search(value):
            yield denied(
                "environment",
                f"The value of {name} contains {found[0]}, which Ray would expand on the cluster.",
                "pass it as an argument after --, or in a file listed in the header's files",
            )
