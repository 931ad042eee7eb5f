"""What limited the speed-up of a run, as far as its record shows. Pure.

Each limit is a fact with figures, so that readers can check it. Nothing is guessed that the record does not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raydock.units import counted, duration

from .quantities import listed, significant, times
from .run import Run
from .scaling import mean_gap

OUTSIDE = 0.2  # share of the time: a smaller share outside the tasks is not worth mentioning
MOSTLY = 0.5  # share of the time
LONG = 0.5  # share of the time during which tasks ran: above it, a single task decides when the job finishes
BEYOND = 1.15  # multiple of what the CPUs allow; a smaller excess may be caching or noise
UNEVEN = 1.5  # multiple of the average task's duration
BUSY = 0.7  # share of the CPUs' time
GAP = 0.2  # share of a CPU's time
SHORT = 0.2  # seconds; the gaps between longer tasks are not due to the number of tasks


@dataclass(frozen=True, slots=True)
class TaskTimes:
    """A run's tasks, in seconds: from the first start to the last end, their sum, and the longest, with its name."""

    span: float
    total: float
    longest: float
    longest_name: str


def limits(run: Run) -> tuple[str, ...]:
    """The limits of a run as sentences, the most general first."""
    return tuple(filter(None, (beyond_cpus(run), shared_cores(run), *limits_of_tasks(run))))


def limits_of_all(compared: Sequence[Run]) -> list[str]:
    """What limits several runs, the largest speed-up first: each shared limit once, then the first run's own limits."""
    small = [run.job for run in compared if run.tasks and outweighed(run, task_times(run))]
    return [
        *dict.fromkeys(filter(None, map(shared_cores, compared))),
        *(f"{compared[0].job}: {sentence}" for sentence in limits_of_tasks(compared[0])),
        *(
            [f"Start-up and work outside tasks took longer than the whole job without Ray: {listed(small)}."]
            if small
            else []
        ),
    ]


def beyond_cpus(run: Run) -> str:
    """Point out a speed-up that is larger than the CPUs allow. The reader must judge it: the tasks may only wait."""
    if not run.speed_up or not run.most or run.speed_up < BEYOND * run.most:
        return ""
    return (
        f"{times(run.speed_up)} is more than {counted(run.most, 'CPU')} can deliver. Were both timings measured on "
        "the same work?"
    )


def shared_cores(run: Run) -> str:
    """Point out that the machine has no more cores than the nodes advertise CPUs, which limits compute-bound work."""
    if not run.cores or run.cpus < max(run.cores, 2):
        return ""
    cpus, cores = counted(run.cpus, "CPU"), counted(run.cores, "core")
    fact = (
        f"{cpus} share this machine's {cores}"
        if run.cpus > run.cores
        else f"{cpus} use all of this machine's {cores}"
    )
    return f"{fact}, so compute-bound work can speed up by at most {times(run.most)}."


def limits_of_tasks(run: Run) -> Iterable[str]:
    """Yield the limits that the tasks' timings show."""
    if not run.tasks or not run.ray:
        return
    found = task_times(run)
    yield from filter(None, (outside_tasks(run, found), too_few_tasks(run)))
    if run.ray - found.span < MOSTLY * run.ray:  # otherwise the tasks are not where the time went
        yield from filter(None, (longest_task(run, found) or idle_cpus(run, found), gaps(run)))


def task_times(run: Run) -> TaskTimes:
    """The durations of a run's tasks; it has at least one."""
    spans = [(float(task["start"]), float(task["end"])) for task in run.tasks]
    lengths = [end - start for start, end in spans]
    longest = max(lengths)
    return TaskTimes(
        max(end for _, end in spans) - min(start for start, _ in spans),
        sum(lengths),
        longest,
        str(run.tasks[lengths.index(longest)].get("name") or ""),
    )


def outside_tasks(run: Run, found: TaskTimes) -> str:
    """Point out for how long no task ran, and whether that alone took longer than the work itself."""
    assert run.ray
    outside = run.ray - found.span
    if outside < OUTSIDE * run.ray:
        return ""
    what = (
        f"For {duration(outside)} of {duration(run.ray)}, none of the tasks in its RESULT were running: this was "
        "start-up and work outside tasks"
    )
    if run.alone is not None and outweighed(run, found):
        return f"{what}. That alone took longer than the whole job without Ray ({duration(run.alone)})."
    return f"{what}."


def outweighed(run: Run, found: TaskTimes) -> bool:
    """Whether the time outside its tasks is longer than the whole job without Ray."""
    return run.alone is not None and run.ray is not None and run.ray - found.span > run.alone


def too_few_tasks(run: Run) -> str:
    """Point out that there were fewer tasks than CPUs."""
    count = len(run.tasks)
    return f"It had only {counted(count, 'task')} for {counted(run.cpus, 'CPU')}." if count < run.cpus else ""


def longest_task(run: Run, found: TaskTimes) -> str:
    """Point out that one task took up much of the time during which tasks ran."""
    uneven = found.longest >= UNEVEN * found.total / len(run.tasks)
    if not uneven or found.longest < LONG * found.span:
        return ""
    name = f" ({found.longest_name})" if found.longest_name else ""
    whole = duration(found.span)
    return f"The longest task{name} took {duration(found.longest)} of the {whole} during which tasks ran."


def idle_cpus(run: Run, found: TaskTimes) -> str:
    """Point out that some CPUs were idle while others worked."""
    if not run.cpus or not found.span or len(run.tasks) < run.cpus:
        return ""
    busy = found.total / (run.cpus * found.span)
    return (
        f"From its first task to its last, its CPUs were busy {busy:.0%} of the time." if busy < BUSY else ""
    )


def gaps(run: Run) -> str:
    """Point out that tasks are short compared with the gaps between them."""
    gap = mean_gap(run.tasks)
    length = sum(float(task["end"]) - float(task["start"]) for task in run.tasks) / len(run.tasks)
    if length >= SHORT or gap < GAP * (gap + length):
        return ""
    return f"A task takes {milliseconds(length)} on average, and its CPU then stays idle for {milliseconds(gap)}."


def milliseconds(value: float) -> str:
    """A short duration."""
    return f"{significant(1000 * value)} ms" if value < 1 else duration(value)


def machine(runs: Sequence[Run]) -> str:
    """A sentence on this machine's cores if the cluster runs here; otherwise empty."""
    cores = {run.record.cores for run in runs if run.record.cores}
    if len(cores) != 1:
        return ""
    (count,) = cores
    return f"All nodes run on this machine, which has {counted(count, 'core')}."
