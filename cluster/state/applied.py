"""Records the settings that the cluster was started with, in `.raydock/applied.json`, so that `up` detects changes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.runtimes import Context
from cluster.status import Member
from iam.errors import IamError
from iam.lab import settings as lab_settings
from raydock import units
from raydock.state import write_private

SETTING = re.compile(r"\$\{(\w+)")
AMOUNTS = ("_MEMORY", "_SHM", "_CPUS", "_GPUS")  # suffixes of settings whose value is a size or a number
POOL_SIZES = {"CPU_WORKERS": "cpu-worker", "GPU_WORKERS": "gpu-worker"}
# These concern the command or the image build, so they do not affect a running cluster.
IGNORED = frozenset(
    {
        "COMPOSE_PROJECT_NAME",
        "RAYDOCK_KEY_SHA256",
        "BASE_IMAGE",
        "GPU_BUILD",
        "RAYDOCK_CA_BUNDLE",
        "NOTEBOOK_PORT",
        "KUBERNETES_PORT",
    }
)


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of the changed settings, grouped by what must be done to apply them."""

    cloud: tuple[str, ...] = ()  # restart the lab's cloud
    nodes: tuple[str, ...] = ()  # restart the nodes
    sizes: tuple[str, ...] = ()  # scale the pools


def path_in(state: Path) -> Path:
    """The record's path in the state folder."""
    return state / "applied.json"


def current_settings(context: Context) -> dict[str, str]:
    """The current value of every setting in compose.yaml, plus a digest of the lab file."""
    names = set(SETTING.findall((context.root / "compose.yaml").read_text(encoding="utf-8"))) - IGNORED
    found = {name: context.settings.get(name) or context.chosen.get(name, "") for name in sorted(names)}
    try:
        file = lab_settings.settings(context.settings, context.root).file
        found[f"the content of {file.name}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    except (IamError, OSError):
        pass  # services.check reports it
    return found


def load(state: Path) -> dict[str, str]:
    """The settings that the cluster was started with, or {} if there is no readable record."""
    try:
        found = json.loads(path_in(state).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def save(state: Path, settings: Mapping[str, str]) -> None:
    """Record the settings that the cluster now uses."""
    write_private(path_in(state), json.dumps(settings, indent=1))


def remove(state: Path) -> None:
    """Delete the record if it exists."""
    path_in(state).unlink(missing_ok=True)


def changes(context: Context, members: Sequence[Member] = ()) -> Changes:
    """Compare the current settings with those that the cluster was started with. Without a record, nothing changed.

    A pool size counts as changed only if it differs from the number of `members` in the pool.
    """
    before, now = load(context.state), current_settings(context)
    if not before:
        return Changes()
    changed = [name for name in now if meaning(name, now[name]) != meaning(name, before.get(name, ""))]
    sizes = [name for name in changed if name in POOL_SIZES and size(name, context) != count(name, members)]
    nodes = [name for name in changed if not is_cloud_setting(name) and name not in POOL_SIZES]
    return Changes(tuple(filter(is_cloud_setting, changed)), tuple(nodes), tuple(sizes))


def meaning(name: str, value: str) -> str | int:
    """The value in comparable form: 3g and 3072m are the same size."""
    try:
        return units.size(value) if name.endswith(AMOUNTS) else value
    except ValueError:  # empty; topology.load rejects invalid sizes
        return value


def size(name: str, context: Context) -> int:
    """The number of nodes that the setting `name` requests."""
    return context.topology.pool(POOL_SIZES[name]).nodes


def count(name: str, members: Sequence[Member]) -> int:
    """The number of members in the pool whose size the setting `name` sets."""
    return sum(member.pool == POOL_SIZES[name] for member in members)


def is_cloud_setting(name: str) -> bool:
    """Whether restarting the lab's cloud applies the setting."""
    return name.startswith(("LAB_", "VERTEX_", "the content of")) or name == "DOCKER_SOCKET"


def applied_settings(context: Context, pending: Changes) -> dict[str, str]:
    """The settings that the cluster uses now: the current ones, except for those that are `pending`."""
    before, now = load(context.state), current_settings(context)
    return {**now, **{name: before.get(name, "") for name in (*pending.nodes, *pending.sizes)}}
