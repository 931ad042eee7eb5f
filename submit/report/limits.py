"""What limited the speed-up of a run, as far as its record shows. Pure.

Each limit is a fact with its figures, so that it can be checked; what a record does not show is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raydock.units import counted, duration

from .quantities import listed, significant, times
from .run import Run
from .scaling import mean_gap

OUTSIDE = 0.2  # of the time: a smaller part outside the tasks is not worth a sentence
MOSTLY = 0.5  # of the time
LONG = 0.5  # of the time in which tasks ran: longer, and one task decides when the job ends
BEYOND = 1.15  # times what the CPUs allow; less may be a cache or noise
UNEVEN = 1.5  # times the average task
BUSY = 0.7  # of the CPUs' time
GAP = 0.2  # of a CPU's time
SHORT = 0.2  # seconds; the time between longer tasks has other reasons than their number


@dataclass(frozen=True, slots=True)
class TaskTimes:
    """Times of a run's tasks in seconds: from the first start to the last end, their sum, the longest, and its name."""

    span: float
    total: float
    longest: float
    longest_name: str


def limits(run: Run) -> tuple[str, ...]:
    """The limits of a run as sentences, the most general first."""
    return tuple(filter(None, (beyond_cpus(run), shared_cores(run), *limits_of_tasks(run))))


def limits_of_all(compared: Sequence[Run]) -> list[str]:
    """What limits several runs, the largest speed-up first: each common limit once, then those of the first."""
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
    """That a speed-up is larger than the CPUs allow, which is the reader's to judge: tasks may only wait."""
    if not run.speed_up or not run.most or run.speed_up < BEYOND * run.most:
        return ""
    return (
        f"{times(run.speed_up)} is more than {counted(run.most, 'CPU')} can give: were both times measured on the "
        "same work?"
    )


def shared_cores(run: Run) -> str:
    """That the machine has no more cores than the nodes advertise CPUs, which limits work that computes."""
    if not run.cores or run.cpus < max(run.cores, 2):
        return ""
    cpus, cores = counted(run.cpus, "CPU"), counted(run.cores, "core")
    fact = (
        f"{cpus} share this machine's {cores}"
        if run.cpus > run.cores
        else f"{cpus} use all of this machine's {cores}"
    )
    return f"{fact}, so work that only computes gets at most {times(run.most)}."


def limits_of_tasks(run: Run) -> Iterable[str]:
    """Yield the limits that the times of the tasks show."""
    if not run.tasks or not run.ray:
        return
    found = task_times(run)
    yield from filter(None, (outside_tasks(run, found), too_few_tasks(run)))
    if run.ray - found.span < MOSTLY * run.ray:  # otherwise the tasks are not where the time went
        yield from filter(None, (longest_task(run, found) or idle_cpus(run, found), gaps(run)))


def task_times(run: Run) -> TaskTimes:
    """The times of a run's tasks; it has at least one."""
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
    """How long no task ran, and whether that alone is longer than the work."""
    assert run.ray
    outside = run.ray - found.span
    if outside < OUTSIDE * run.ray:
        return ""
    what = (
        f"For {duration(outside)} of {duration(run.ray)}, none of the tasks in its RESULT ran: start-up, and work "
        "outside tasks"
    )
    if run.alone is not None and outweighed(run, found):
        return f"{what}. That alone takes longer than the whole job without Ray ({duration(run.alone)})."
    return f"{what}."


def outweighed(run: Run, found: TaskTimes) -> bool:
    """Whether the time outside its tasks is longer than the whole job without Ray."""
    return run.alone is not None and run.ray is not None and run.ray - found.span > run.alone


def too_few_tasks(run: Run) -> str:
    """That there was not a task for each CPU."""
    count = len(run.tasks)
    return f"It has {counted(count, 'task')} for {counted(run.cpus, 'CPU')}." if count < run.cpus else ""


def longest_task(run: Run, found: TaskTimes) -> str:
    """That one task takes much of the time in which tasks ran."""
    uneven = found.longest >= UNEVEN * found.total / len(run.tasks)
    if not uneven or found.longest < LONG * found.span:
        return ""
    name = f" ({found.longest_name})" if found.longest_name else ""
    return f"The longest task{name} took {duration(found.longest)} of the {duration(found.span)} in which tasks ran."


def idle_cpus(run: Run, found: TaskTimes) -> str:
    """That CPUs waited while others worked."""
    if not run.cpus or not found.span or len(run.tasks) < run.cpus:
        return ""
    busy = found.total / (run.cpus * found.span)
    return (
        f"From its first task to its last, its CPUs were busy {busy:.0%} of the time." if busy < BUSY else ""
    )


def gaps(run: Run) -> str:
    """That tasks are short beside the time between two of them."""
    gap = mean_gap(run.tasks)
    length = sum(float(task["end"]) - float(task["start"]) for task in run.tasks) / len(run.tasks)
    if length >= SHORT or gap < GAP * (gap + length):
        return ""
    return f"A task takes {milliseconds(length)} on average, and {milliseconds(gap)} pass between two on one CPU."


def milliseconds(value: float) -> str:
    """A short duration."""
    return f"{significant(1000 * value)} ms" if value < 1 else duration(value)


def machine(runs: Sequence[Run]) -> str:
    """What the CPUs of these runs are, if the cluster runs on this machine: a sentence, or empty."""
    cores = {run.record.cores for run in runs if run.record.cores}
    if len(cores) != 1:
        return ""
    (count,) = cores
    return f"All nodes run on this machine, which has {counted(count, 'core')}."
