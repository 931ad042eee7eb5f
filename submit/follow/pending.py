"""Why a job is PENDING: what its supervisor is waiting for, from Ray's state API and the environment's setup log.

pip's own output appears only after pip has exited: Ray logs it all at once (runtime_env/utils.py, check_output_cmd).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence

from anyio import move_on_after

from raydock.answers import text
from raydock.errors import ServerError, Unreachable
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job
from raydock.units import duration

from .scheduling import format_resources
from .supervisor import Supervisor, find

UNKNOWN = "waiting for the cluster to start it"
LINES = 400  # read from a setup log, which all jobs share
NODES = 8  # the most nodes whose logs are read
ENVIRONMENT = re.compile(r"\bpip[:/]+([0-9a-f]{40})")  # a path or URI of an environment
CREATING = "Creating virtualenv"
STAGES = (  # a line of the setup log, and what happens after it
    ("Downloading package from", "downloading the package"),
    (CREATING, "creating a virtual environment"),
    ("Installing python requirements", "pip is installing {installs}"),
    ("Added URI pip", "starting the job"),
    ("Runtime env pip ", "starting the job"),  # … is already installed
)


class PendingLine:
    """A line on a terminal that shows how long a job has been PENDING, and why. `every` is in seconds."""

    def __init__(self, dashboard: Dashboard, progress: Callable[[str], None], every: float) -> None:
        self.dashboard, self.progress, self.every = dashboard, progress, every

    async def show(self, job: Callable[[], Job], running: asyncio.Event) -> None:
        """Update the line once a second until the job runs; then remove it."""
        began, asked, why = time.monotonic(), float("-inf"), UNKNOWN
        while not running.is_set():
            now = time.monotonic()
            if now - asked >= self.every:
                why, asked = await reason(self.dashboard, job()), now
            if not running.is_set() and not job().terminal:
                self.progress(status(job(), now - began, why))
            with move_on_after(1):
                await running.wait()
        self.progress("")


def status(job: Job, watched: float, why: str) -> str:
    """The line for a pending job that has been watched for `watched` seconds."""
    age = time.time() - job.started if job.started else 0
    return f"PENDING for {duration(round(max(age, watched)))}: {why}"


async def reason(dashboard: Dashboard, job: Job) -> str:
    """Why the job has not started. Never raises for an unexpected response."""
    try:
        supervisor = await find(dashboard, job.submission_id)
        if supervisor is None:
            return UNKNOWN
        if supervisor.state == "ALIVE":
            return "starting the job"
        logs = await setup_logs(dashboard, supervisor)
    except (ServerError, Unreachable):
        return UNKNOWN
    if found := next(filter(None, (stage(log, job) for log in logs)), ""):
        return found
    if supervisor.required:
        return f"waiting for a node with {format_resources(supervisor.required)} free"
    return "preparing its environment"


async def setup_logs(dashboard: Dashboard, supervisor: Supervisor) -> list[str]:
    """The last lines of the nodes' environment setup logs: the head node's, or, if the entrypoint reserves resources,
    those of all nodes that may run it.
    """
    nodes = sorted(await dashboard.nodes(), key=lambda node: not node.get("is_head_node"))
    name = f"runtime_env_setup-{supervisor.owner}.log"
    asked = [text(node.get("node_id")) for node in nodes[: NODES if supervisor.required else 1]]
    logs = await asyncio.gather(*(dashboard.log_file(node, name, LINES) for node in asked))
    return [(log or b"").decode(errors="replace") for log in logs]


def stage(log: str, job: Job) -> str:
    """The current setup step for the job, from the setup log; "" if the log does not mention the job's package.

    Ray tries three times (runtime_env/virtualenv_utils.py), so pip's last error is shown from the second attempt on.
    """
    lines = lines_about(job, log.splitlines())
    if not lines:
        return ""
    if not job.installs:
        return "starting the job"
    steps = [step for line in lines for words, step in STAGES if words in line]
    what = (steps or ["downloading the package"])[-1].format(installs=", ".join(job.installs))
    attempts = sum(CREATING in line for line in lines)
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return f"{what}, attempt {attempts}: {errors[-1]}" if attempts > 1 and errors else what


def lines_about(job: Job, lines: Sequence[str]) -> list[str]:
    """The lines from the last mention of the job's package onwards, without those about other jobs' environments."""
    start = next((place for place in reversed(range(len(lines))) if job.package in lines[place]), None)
    if start is None or not job.package:
        return []
    named = [(line, ENVIRONMENT.search(line)) for line in lines[start:]]
    own = next((found[1] for _, found in named if found), "")
    return [line for line, found in named if not found or found[1] == own]
