"""Formats the differences between the local cluster and one on Vertex AI."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.vertex_ai.columns import WIDTH
from raydock.terminal.layout import clip, table
from vertex.comparison.cluster_summary import ClusterSummary
from vertex.comparison.diff import Difference


def comparison(rows: Sequence[Difference], local: ClusterSummary, vertex: ClusterSummary) -> str:
    """The differences as a table with a wrapped last column, then the principals, which don't fit in a column."""
    head = Difference("", "LOCAL", "VERTEX", "MATTERS")
    cells = [
        (clip(row.what, 20), clip(row.local, 16), clip(row.vertex, 16), row.matters) for row in [head, *rows]
    ]
    lines = table(cells, WIDTH)
    same = local.principal == vertex.principal
    matters = "no: they are the same" if same else "yes: each needs its own grants on the buckets"
    matters = matters if local.principal else "perhaps: the local cluster does not report its principal"
    return "\n".join(
        [
            *lines,
            "",
            "Jobs run as",
            f"  local   {local.principal.removeprefix('serviceAccount:') or 'unknown'}",
            f"  vertex  {vertex.principal.removeprefix('serviceAccount:')}",
            f"  matters {matters}",
        ]
    )
