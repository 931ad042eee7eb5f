"""The report's answer: how much faster the jobs were with Ray, and where they ran. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from raydock.units import counted, duration

from .limits import machine
from .quantities import listed, times
from .run import Run

SLOWER, FASTER = 0.95, 1.05  # speed-ups in between are within the noise


def newest(runs: Iterable[Run]) -> list[Run]:
    """The last run of each job that also ran without Ray, the largest speed-up first. Smoke tests don't count."""
    last = {run.job: run for run in runs if run.speed_up is not None and not run.is_smoke_test}
    return sorted(last.values(), key=lambda run: (-(run.speed_up or 0), run.job))


def only_smoke_tests(runs: Sequence[Run]) -> list[str]:
    """The jobs that were compared only by smoke tests."""
    compared = {run.job for run in runs if run.speed_up is not None}
    return sorted(compared - {run.job for run in newest(runs)})


def verdict(speed_up: float) -> str:
    """A speed-up in words."""
    if speed_up < SLOWER:
        return f"slower with Ray: {times(speed_up)}"
    return (
        f"about as fast with Ray: {times(speed_up)}"
        if speed_up < FASTER
        else f"{times(speed_up)} as fast with Ray"
    )


def headline(runs: Sequence[Run]) -> str:
    """The answer to "how much faster?" for all runs."""
    compared = newest(runs)
    if not compared:
        return f"{counted(len(runs), 'run')}, no speed-up measured"
    best = compared[0]
    assert best.speed_up is not None
    if len(compared) == 1:
        return f"{best.job} was {verdict(best.speed_up)}"
    faster = sum((run.speed_up or 0) >= FASTER for run in compared)
    if not faster:
        return f"None of the {len(compared)} jobs was faster with Ray"
    were = "was" if faster == 1 else "were"
    return f"{faster} of {len(compared)} jobs {were} faster with Ray, up to {times(best.speed_up)}"


def lead(runs: Sequence[Run]) -> str:
    """The figures behind the headline: the best job's timings, and where it ran."""
    compared = newest(runs)
    if not compared:
        return (
            "To measure a speed-up, the same work must also run without Ray. The lessons do that with --compare; your "
            "own script can print both timings in its RESULT."
        )
    best = compared[0]
    figures = f"{comparison(best)}." if comparison(best) else ""
    if len(compared) > 1:
        figures = f"The best is {best.job}: {figures}" if figures else f"The best is {best.job}."
    return f"{figures[:1].upper()}{figures[1:]} {machine(runs)}".strip()


def comparison(run: Run, where: str | None = None) -> str:
    """A run's two timings, and where it ran; `where` replaces the description from `setting`."""
    where = setting(run) if where is None else where
    if run.alone is None or run.ray is None:
        return f"on {where}" if where else ""
    return f"{duration(run.alone)} without Ray and {duration(run.ray)} with it" + (
        f", on {where}" if where else ""
    )


def run_headline(run: Run) -> str:
    """The answer for one run."""
    if run.speed_up is not None:
        return f"{run.job} was {verdict(run.speed_up)}"
    took = run.ray if run.ray is not None else run.total
    return f"{run.job} took {duration(took)}" if took is not None else run.job


def setting(run: Run) -> str:
    """Where a run ran: the CPUs that it could use, and the nodes by pool (those that did work, if it lists them)."""
    nodes = listed([counted(pool.nodes, f"{pool.name} node") for pool in run.pools])
    cpus = cpus_of(run)
    return (
        (f"{cpus}, with tasks on {nodes}" if run.nodes else f"{cpus} of {nodes}")
        if cpus and nodes
        else cpus or nodes
    )


def cpus_of(run: Run) -> str:
    """The CPUs that a run could use; empty if unknown."""
    return counted(run.cpus, "CPU") if run.cpus else ""
