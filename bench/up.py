"""How long from nothing (but the images) until a job has ended, for each kind of cluster that this machine can run."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.measure.commands import ran, sending
from bench.measure.lab import lab
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Comparison, Sample

ROUNDS = 3
KINDS = {"docker": "in Docker, the images there", "processes": "as processes"}


@dataclass(frozen=True, slots=True)
class UpRound:
    """Seconds of `cluster up`, and of it and a job together."""

    up: float
    whole: float


def measure(setting: Setting) -> list[Comparison]:
    rows = []
    for kind in kinds():
        setting.say(f"  {KINDS[kind]}:")
        rounds = [one(kind, setting) for _ in range(min(ROUNDS, setting.pairs))]
        rows += [
            Comparison(
                f"cluster-up {KINDS[kind]}, until a job has ended",
                "s",
                Sample.of([done.whole for done in rounds]),
            ),
            Comparison(f"– of which cluster-up ({kind})", "s", Sample.of([done.up for done in rounds])),
        ]
    return rows


def kinds() -> list[str]:
    """Docker where an engine answers, and processes everywhere."""
    from cluster.errors import NoEngine
    from cluster.runtimes import require_engine

    try:
        require_engine()
    except NoEngine:
        return ["processes"]
    return ["docker", "processes"]


def one(kind: str, setting: Setting) -> UpRound:
    """One cluster of compose.yaml's size, one job that prints a line, and the cluster's end, which is not timed."""
    with lab() as here, sending("hello", here.address) as ways:
        if kind == "docker":
            here.cluster("images", seconds=3000)
        start = time.monotonic()
        here.cluster("up", "--runtime", kind)
        up = time.monotonic() - start
        here.use_key()
        ran(ways.ours())
        whole = time.monotonic() - start
    setting.say(f"  {whole:.1f} s, of which cluster-up {up:.1f} s")
    return UpRound(up, whole)
