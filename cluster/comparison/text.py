"""Formats the differences between the local cluster and one elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.comparison.cluster_summary import ClusterSummary
from cluster.comparison.diff import Difference
from cluster.targets.columns import WIDTH
from raydock.terminal.layout import clip, table


def comparison(rows: Sequence[Difference], local: ClusterSummary, other: ClusterSummary, target: str) -> str:
    """The differences as a table with a wrapped last column, then the principals, which don't fit in a column."""
    head = Difference("", "LOCAL", target.upper(), "MATTERS")
    cells = [
        (clip(row.what, 20), clip(row.local, 16), clip(row.other, 16), row.matters) for row in [head, *rows]
    ]
    lines = table(cells, WIDTH)
    same = local.principal == other.principal
    matters = "no: they are the same" if same else "yes: each needs its own grants on the buckets"
    matters = matters if local.principal else "perhaps: the local cluster does not report its principal"
    return "\n".join(
        [
            *lines,
            "",
            "Jobs run as",
            f"  local   {local.principal.removeprefix('serviceAccount:') or 'unknown'}",
            f"  {target:<7} {other.principal.removeprefix('serviceAccount:')}",
            f"  matters {matters}",
        ]
    )
