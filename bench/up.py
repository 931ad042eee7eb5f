"""The time from `cluster up`, with the images already built, to the end of a first job, for each available runtime."""

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
    """Seconds of `cluster up`, and of `cluster up` plus a job."""

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
                f"cluster-up {RUNTIMES[runtime]}, until a first job has ended",
                "s",
                Sample.of([done.whole for done in rounds]),
            ),
            Comparison(f"– of which cluster-up ({runtime})", "s", Sample.of([done.up for done in rounds])),
        ]
    return rows


def available_runtimes() -> list[str]:
    """Docker if an engine answers, and always processes."""
    from cluster.errors import NoEngine
    from cluster.runtimes import require_engine

    try:
        require_engine()
    except NoEngine:
        return ["processes"]
    return ["docker", "processes"]


def run_round(runtime: str, setting: Setting) -> UpRound:
    """Start a cluster with the default sizes, run a job that prints a line, and remove the cluster (not timed)."""
    with lab() as here, sending("hello", here.address) as commands:
        if runtime == "docker":
            here.cluster("images", seconds=3000)
        start = time.monotonic()
        here.cluster("up", "--runtime", runtime)
        up = time.monotonic() - start
        here.use_key()
        run_checked(commands.ours())
        whole = time.monotonic() - start
    setting.say(f"  {whole:.1f} s, of which cluster-up {up:.1f} s")
    return UpRound(up, whole)
