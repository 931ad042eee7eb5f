"""Removes the cluster, after describing what will be deleted and what will be kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cluster import runtimes
from cluster.docker import kubernetes, mounts
from cluster.runtimes import RUNTIMES, Context, Runtime
from cluster.state import applied, key, logs, started

DATA = "the lab's buckets, objects and grants"


@dataclass(frozen=True, slots=True)
class Removal:
    """What `down` is about to remove."""

    context: Context
    hosts: tuple[str, ...]  # the runtimes that have the cluster or data it left behind
    keep_data: bool

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to remove."""
        return not self.hosts

    def description(self) -> str:
        """What will be deleted and kept, for the user to confirm."""
        gone = [f"the cluster ({', '.join(self.hosts)}) and the jobs running on it"]
        kept = [DATA] if self.keep_data else []
        gone += [] if self.keep_data else [DATA]
        results = self.context.state / "results"
        kept += [f"the results of your jobs in {logs.shown(results)}"] if results.exists() else []
        kept += ["the images"] if "docker" in self.hosts else []
        return "\n".join([f"Deletes {'; '.join(gone)}.", *([f"Keeps {'; '.join(kept)}."] if kept else [])])

    def run(self) -> list[str]:
        """Remove the cluster. Returns the names of the removed parts. Raises Leftover."""
        removed = [part for cluster in self.clusters() for part in cluster.down(self.keep_data)]
        state = self.context.state
        key.remove(state)
        applied.remove(state)
        started.remove(state)
        if self.keep_data:
            for name in self.hosts:
                started.keep_data(state, name)
        mounts.remove(state)
        kubernetes.remove(state)
        logs.remove(state)
        return removed

    def clusters(self) -> Iterator[Runtime]:
        """The clusters to remove."""
        return (runtimes.open_runtime(name, self.context) for name in self.hosts)


def removal(context: Context, keep_data: bool) -> Removal:
    """What `down` would remove. Raises NoEngine if that can't be determined."""
    clusters = {name: runtimes.open_runtime(name, context) for name in reversed(RUNTIMES)}
    found = [name for name, cluster in clusters.items() if cluster.exists() or cluster.kept_data()]
    return Removal(context, tuple(found), keep_data)
