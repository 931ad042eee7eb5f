"""The commands to run next, which `up` and `status` print."""

from __future__ import annotations

from cluster.targets import idle_command
from vertex.cluster import Cluster
from vertex.lifecycle import command_line
from vertex.location import Location

JOB = "jobs/sklearn_joblib.py"


def next_steps(location: Location, found: Cluster) -> str:
    """The commands that submit a job to the cluster and delete the cluster."""
    flags = f"--target vertex {location.flags}--cluster {found.id}"
    return f"Next:    python submit.py {flags} {JOB}\nDelete:  {command_line('down', location, found.id)}"


def idle_lines(location: Location, cluster: str, max_idle: str) -> str:
    """The commands that delete the cluster once it is idle: one for a terminal and one for crontab."""
    return idle_command.lines("Vertex AI", command_line("idle", location, cluster, f"--max-idle {max_idle}"))
