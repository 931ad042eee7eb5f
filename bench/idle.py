"""Measures the CPU time of an idle lab: a head, two CPU workers, a GPU worker and the lab's cloud. Runs no job.

CPU time, unlike the time on a clock, hardly depends on what else the machine does. The health checks that Docker runs
count, the Docker engine itself does not.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from bench.measure.lab import BenchLab, lab
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Comparison, Sample
from bench.up import RUNTIMES, available_runtimes

SETTLE = 60.0  # seconds after `cluster up` that are not measured
SECONDS = 60.0
ROUNDS = 3
FOUR_NODES = {"CPU_WORKERS": "2", "GPU_WORKERS": "1", "CPU_WORKER_CPUS": "1"}


def measure(setting: Setting) -> list[Comparison]:
    """Measure one lab on every available runtime."""
    return [row for runtime in available_runtimes() for row in idle(runtime, setting)]


def idle(runtime: str, setting: Setting) -> list[Comparison]:
    """CPU seconds a minute: a row for the lab, and one for each of its parts."""
    minutes = []
    with lab(**FOUR_NODES) as here:
        here.cluster("up", "--runtime", runtime)
        time.sleep(SETTLE)
        for number in range(min(ROUNDS, setting.pairs)):
            before, start = cpu_seconds(runtime, here), time.monotonic()
            time.sleep(SECONDS)
            minute = 60 / (time.monotonic() - start)
            minutes.append(spent(before, cpu_seconds(runtime, here), minute))
            total = sum(minutes[-1].values())
            setting.say(f"  {runtime}, run {number + 1}: {total:.2f} CPU seconds a minute")
    return rows(runtime, minutes)


def spent(before: Mapping[str, float], after: Mapping[str, float], scale: float) -> dict[str, float]:
    """The difference of each part, scaled to a minute."""
    return {part: (seconds - before.get(part, 0)) * scale for part, seconds in sorted(after.items())}


def rows(runtime: str, minutes: list[dict[str, float]]) -> list[Comparison]:
    """A row for the lab, and one for each of its parts."""
    whole = f"an idle lab of four nodes {RUNTIMES[runtime]}: CPU time a minute"
    parts = [Comparison(f"– {part}", "s", Sample.of([one[part] for one in minutes])) for part in minutes[0]]
    return [Comparison(whole, "s", Sample.of([sum(one.values()) for one in minutes])), *parts]


def cpu_seconds(runtime: str, here: BenchLab) -> Mapping[str, float]:
    """The CPU time that each of the lab's nodes and services has used so far."""
    return of_containers(here) if runtime == "docker" else of_processes(here)


def of_containers(here: BenchLab) -> Mapping[str, float]:
    """The same for the runtime docker, from the containers' control groups."""
    from cluster.docker import engine

    used: dict[str, float] = defaultdict(float)
    connected = engine.connect()
    for container in connected.containers(here.env["COMPOSE_PROJECT_NAME"]):
        stats = container.stats(stream=False, one_shot=True)
        used[engine.member(container).name] += stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    connected.client.close()
    return used


def of_processes(here: BenchLab) -> Mapping[str, float]:
    """The same for the runtime processes, including the children that have exited."""
    from cluster.processes.process_tree import NODE, Owned

    used: dict[str, float] = defaultdict(float)
    for process in Owned(str(Path(here.env["RAYDOCK_STATE"]))).processes():
        times = process.cpu_times()
        used[process.environ().get(NODE, "others")] += sum(times[:4])
    return used
