"""Measures where the time between starting submit.py and seeing the job's first line goes, on a warm cluster.

The phases follow each other:

1. submit.py starts, reads the script, checks and uploads it (ours), until Ray's Job API has accepted the job
2. Ray prepares the job's runtime env and starts a process for its supervisor
3. the supervisor imports Ray and connects, then starts the driver
4. the driver's Python starts and runs the script's first line
5. submit.py reads the line from the log and prints it (ours)
"""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

from bench.measure.commands import jobs, run_checked, sending, wait_until_idle
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Comparison, Sample

PHASES = (
    "ours: submit.py starts → the Job API has the job",
    "Ray: → the supervisor's process starts (runtime env, raylet)",
    "Ray: → the driver's process starts (the supervisor imports Ray)",
    "Python: → the first line is printed",
    "ours: → the line is visible",
)
WHOLE = "submit → job's first line, in phases; in total"


def measure(setting: Setting) -> list[Comparison]:
    """Measure every phase. One run precedes them that is not measured."""
    taken = []
    with sending("phases", setting.address) as commands:
        for number in range(setting.pairs + 1):
            wait_until_idle(setting.address)
            taken.append(times(commands.ours(), setting.address))
            shown = ", ".join(f"{after - before:.2f}" for before, after in pairwise(taken[-1]))
            setting.say(f"  run {number} of {setting.pairs}: {shown} s")
    return rows(taken[1:])


def times(words: list[str], address: str) -> list[float]:
    """When each phase began and the last ended, in seconds since 1970."""
    done = run_checked(words)
    line = done.marks[0]
    own = json.loads(line.text)
    accepted = max(job.started for job in asyncio.run(jobs(address)))
    return [done.started, accepted, own["supervisor"], own["driver"], own["first_line"], line.at]


def rows(taken: list[list[float]]) -> list[Comparison]:
    """A row for the whole, and one for each phase."""
    spans = [[after - before for before, after in pairwise(run)] for run in taken]
    phases = [
        Comparison(f"– {what}", "s", Sample.of([run[number] for run in spans]))
        for number, what in enumerate(PHASES)
    ]
    return [Comparison(WHOLE, "s", Sample.of([run[-1] - run[0] for run in taken])), *phases]
