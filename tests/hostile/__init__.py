"""Worlds: strategies for all that reaches the submitter from outside.

Hostile, and near enough to the real thing to come past the first check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.hostile.cluster import Cluster, Tampering, clusters, logs, records
from tests.hostile.scripts import files, modules, scripts
from tests.hostile.surroundings import Line, dotenvs, environments, lines, usual_lines

__all__ = ["HEADER", "Cluster", "Line", "Tampering", "World", "worlds"]

# A world: one part of it hostile, or all of them, so that most runs come far.
PARTS = ("line", "script", "script", "environment", "cluster", "cluster", "cluster", "all")
HEADER = (
    '# /// script\n# dependencies = ["numpy"]\n# [tool.submit]\n# reads = ["gs://lab-data/o"]\n'
    '# writes = ["--output"]\n# ///\n'
)
SKIP = Line("", [["--skip-check"]], "{script}", 0, None, None)


@dataclass
class World:
    """Everything that comes from outside in one run."""

    line: Line
    script: str
    source: bytes
    beside: dict[str, bytes]
    env: dict[str, str]
    dotenv: bytes | None
    cluster: Cluster
    records: list[Any]  # of earlier runs, in the state folder
    encoding: str  # of the two streams


@st.composite
def worlds(draw: st.DrawFn) -> World:
    part = draw(st.sampled_from(PARTS))

    def of(name: str, hostile: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> Any:
        return draw(hostile if part in (name, "all") else usual)

    return World(
        line=of("line", lines, usual_lines if part == "cluster" else st.just(SKIP)),
        script=of("script", scripts, st.just("x.py")),
        source=of("script", modules, st.sampled_from((b"", HEADER.encode()))),
        beside=of("script", files, st.just({})),
        env=of("environment", environments, st.just({})),
        dotenv=of("environment", dotenvs, st.none()),
        cluster=of(
            "cluster", clusters, st.builds(Cluster, st.just("SUCCEEDED"), st.just(""), logs, st.just(b""))
        ),
        records=of("line", records, records if part == "cluster" else st.just([])),
        encoding=draw(st.sampled_from(("utf-8", "utf-8", "ascii", "latin-1"))),
    )
