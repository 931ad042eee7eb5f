"""Measures the time from `cluster up`, with the images already built, until the first job finishes, on each runtime."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.measure.commands import run_checked, sending
from bench.measure.lab import lab
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Comparison, Sample

ROUNDS = 3
RUNTIMES = {"docker": "in Docker (images already built)", "processes": "as processes"}


@dataclass(frozen=True, slots=True)
class UpRound:
    """The seconds that `cluster up` took, and that `cluster up` plus one job took."""

    up: float
    whole: float


def measure(setting: Setting) -> list[Comparison]:
    """Time every available runtime."""
    rows = []
    for runtime in available_runtimes():
        setting.say(f"  {RUNTIMES[runtime]}:")
        rounds = [run_round(runtime, setting) for _ in range(min(ROUNDS, setting.pairs))]
        rows += [
            Comparison(
                f"cluster-up {RUNTIMES[runtime]} until the first job finishes",
                "s",
                Sample.of([done.whole for done in rounds]),
            ),
            Comparison(f"– cluster-up alone ({runtime})", "s", Sample.of([done.up for done in rounds])),
        ]
    return rows


def available_runtimes() -> list[str]:
    """Docker if an engine responds, and processes in any case."""
    from cluster.errors import NoEngine
    from cluster.runtimes import require_engine

    try:
        require_engine()
    except NoEngine:
        return ["processes"]
    return ["docker", "processes"]


def run_round(runtime: str, setting: Setting) -> UpRound:
    """Start a cluster with the default sizes, and run a job that prints a line. Removing the cluster is not timed."""
    with lab() as here, sending("hello", here.address) as commands:
        if runtime == "docker":
            here.cluster("images", seconds=3000)
        start = time.monotonic()
        here.cluster("up", "--runtime", runtime)
        up = time.monotonic() - start
        here.use_key()
        run_checked(commands.ours())
        whole = time.monotonic() - start
    setting.say(f"  {whole:.1f} s, including {up:.1f} s for cluster-up")
    return UpRound(up, whole)
