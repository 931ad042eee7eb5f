"""How the processes runtime runs the lab's cloud.

The cloud is a process with the cluster's marker and its own log. Its ports are chosen once, so that after a crash `up`
restarts it on the ports that running jobs expect. It keeps its data in the temporary folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace

from cluster import ports
from cluster.build.inputs import BuildInputs
from cluster.processes import process_tree, ray_node
from cluster.processes.identity import LOOPBACK
from cluster.processes.record import Ports, ProcessesRecord
from cluster.runtimes import Context
from cluster.state import key
from iam.errors import IamError
from iam.lab import file, members
from iam.lab.settings import settings
from raydock import machine
from raydock.startup import StartupFailure

CLOUD = "cloud"
# The cloud settings that a user may change. They are defined in cloud/config.py.
SETTINGS = ("LAB_FILE", "LAB_PROJECT", "LAB_SERVICE_ACCOUNT", "LAB_TOKEN_TTL", "LAB_JOBS")


def check(context: Context, new: bool) -> None:
    """Raise CommandFailed if the lab's cloud would reject its settings or lab.yaml. Starts nothing.

    If the cluster is `new`, lab.yaml lists every service account, so this also checks that the jobs' account is listed.
    """
    try:
        chosen = settings(context.settings, context.root)
        found = file.read(chosen.file)
        require_project(chosen.project, found.numbers, chosen.file.name)
        if new:
            members.job_principal(chosen.service_account, found.accounts)
    except IamError as error:
        raise StartupFailure.of(CLOUD, error).error() from error


def require_project(project: str, known: Collection[str], name: str) -> None:
    """Raise IamError if the lab file does not define the cluster's project."""
    if project not in known:
        one = (
            f"LAB_PROJECT={next(iter(known))}" if len(known) == 1 else f"LAB_PROJECT to {' or '.join(known)}"
        )
        raise IamError(f"LAB_PROJECT is {project}, which {name} does not define.", f"Set {one} in .env")


def code(context: Context) -> str:
    """A digest of the files that the cloud runs: those of its image."""
    return BuildInputs(context.root).digest(replace(context.topology.builds[CLOUD], args={}))


def choose_ports(gateway: int) -> Ports:
    """Choose free ports for a new cluster."""
    return Ports(*ports.pick(4, {gateway}))


def command(found: ProcessesRecord) -> list[str]:
    """The command that starts the cloud."""
    return [
        *(sys.executable, "-P", "-m", "cloud", "loopback", f"--gateway-port={found.port}"),
        *(
            f"--metadata-port={found.ports.metadata}",
            f"--emulator-port={found.ports.emulator}",
            f"--own-port={found.ports.own}",
        ),
    ]


def environment(
    context: Context, found: ProcessesRecord, caller: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The cloud's environment: the variables that a node inherits, the marker, and the cloud's settings."""
    marker = {process_tree.MARK: str(context.state), process_tree.NODE: CLOUD, "TMPDIR": f"{found.temp}/tmp"}
    return {**ray_node.inherited(caller), **marker, **cloud_settings(context, found)}


def cloud_settings(context: Context, found: ProcessesRecord) -> dict[str, str]:
    """The settings that cloud/config.py reads."""
    chosen = {name: context.settings.get(name, "") for name in SETTINGS}
    if chosen["LAB_FILE"]:  # relative to the checkout, as in compose.yaml
        chosen["LAB_FILE"] = str(context.root / chosen["LAB_FILE"])
    return chosen | {
        "PYTHONPATH": str(context.root),
        "LAB_STATE": f"{found.temp}/cloud",
        "LAB_HEAD_MEMORY": str(memory()),
        "LAB_DASHBOARD": f"http://{LOOPBACK}:{found.ports.dashboard}",
        "LAB_KEY_SHA256": key.digest(key.read(context.state)),
    }


def memory() -> int:
    """This machine's memory in bytes, which the head node shares with everything else."""
    return machine.here().memory
