"""The lab's cloud beside the nodes of a processes cluster.

It is a process with the cluster's mark and a log of its own. Its ports are chosen once, so that after a crash
`up` starts it again where running jobs look for it; what it keeps is in the temporary folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from cluster import key, ports
from cluster.kinds import Context
from cluster.processes import process_tree, ray_node
from cluster.processes.identity import LOOPBACK
from cluster.processes.record import Ports, ProcessesRecord
from iam import lab
from iam.errors import IamError
from raydock import machine
from raydock.errors import CommandFailed

CLOUD = "cloud"
# Settings of the cloud that a person may change: cloud/config.py.
SETTINGS = ("LAB_FILE", "LAB_PROJECT", "LAB_SERVICE_ACCOUNT", "LAB_TOKEN_TTL", "LAB_JOBS")


def check(context: Context, new: bool) -> None:
    """Raises CommandFailed if the lab's cloud would reject its settings or lab.yaml. Starts nothing.

    `new`: there is no cluster yet, so lab.yaml lists every service account.
    """
    try:
        chosen = lab.settings(context.settings, context.root)
        accounts = lab.read(chosen.file).accounts
        if new:
            lab.job_principal(chosen.service_account, accounts)
    except IamError as error:
        raise CommandFailed(f"The lab's cloud did not start: {error.message}", error.fix) from error


def choose_doors(gateway: int) -> Ports:
    """Free ports for a cluster that begins."""
    return Ports(*ports.pick(4, {gateway}))


def command(found: ProcessesRecord) -> list[str]:
    doors = found.doors
    return [
        *(sys.executable, "-P", "-m", "cloud", "loopback", f"--gateway-port={found.port}"),
        *(
            f"--metadata-port={doors.metadata}",
            f"--emulator-port={doors.emulator}",
            f"--own-port={doors.own}",
        ),
    ]


def environment(
    context: Context, found: ProcessesRecord, caller: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The caller's environment as a node gets it, with our mark and the cloud's settings."""
    marks = {process_tree.MARK: str(context.state), process_tree.NODE: CLOUD, "TMPDIR": f"{found.temp}/tmp"}
    return {**ray_node.inherited(caller), **marks, **cloud_settings(context, found)}


def cloud_settings(context: Context, found: ProcessesRecord) -> dict[str, str]:
    """See cloud/config.py."""
    chosen = {name: context.settings.get(name, "") for name in SETTINGS}
    if chosen["LAB_FILE"]:  # relative to the checkout, as in compose.yaml
        chosen["LAB_FILE"] = str(context.root / chosen["LAB_FILE"])
    doors = found.doors
    return chosen | {
        "PYTHONPATH": str(context.root),
        "LAB_STATE": f"{found.temp}/cloud",
        "LAB_HEAD_MEMORY": str(memory()),
        "LAB_DASHBOARD": f"http://{LOOPBACK}:{doors.dashboard}",
        "LAB_KEY_SHA256": key.digest(key.read(context.state)),
    }


def memory() -> int:
    """Bytes of this machine's memory, which the head shares with all else."""
    return machine.here().memory


def refusal(text: str) -> tuple[str, str]:
    """Why the cloud did not start and what mends it, from its log; see `main` in cloud/cli.py."""
    lines = text.strip().splitlines() or ["it wrote nothing"]
    told = [number for number, line in enumerate(lines) if line.startswith("cloud: ")]
    if not told:
        return lines[-1], ""
    fix = "".join(line for line in lines[told[-1] + 1 :][:1] if line.startswith("  "))
    return lines[told[-1]].removeprefix("cloud: "), fix.strip()
