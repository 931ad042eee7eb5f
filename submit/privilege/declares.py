"""What a job's header declares, as it travels in the job's metadata."""

from __future__ import annotations

from iam.used.jobs import Declared

from ..plan import JobPlan
from ..preflight.analysis.defaults import with_defaults


def declares(plan: JobPlan) -> str:
    """The header's `reads` and `writes`, with the arguments' defaults that the source determines; "" if none."""
    header = plan.header
    entries = (*header.reads, *header.writes)
    if not entries:
        return ""
    resolved = with_defaults(entries, plan.modules.values(), plan.arguments)
    defaults = {name: value for name, _, value in (one.partition("=") for one in resolved) if name in entries}
    return Declared(header.reads, header.writes, defaults).encoded()
