"""The settings that a running cluster was started with, in .raydock/applied.json: what `up` compares with."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.kinds import Context
from cluster.status import Member
from iam import lab
from iam.errors import IamError
from raydock.state import write_private

SETTING = re.compile(r"\$\{(\w+)")
SIZES = {"CPU_WORKERS": "cpu-worker", "GPU_WORKERS": "gpu-worker"}
# Of this command or of the build, so a running cluster has nothing to apply.
OTHER = frozenset(
    {
        "COMPOSE_PROJECT_NAME",
        "RAYDOCK_KEY_SHA256",
        "BASE_IMAGE",
        "GPU_BUILD",
        "RAYDOCK_CA_BUNDLE",
        "NOTEBOOK_PORT",
    }
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of settings that differ: those of the lab's cloud, which is restarted for them, and of the nodes."""

    cloud: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()  # of pools


def file_in(state: Path) -> Path:
    return state / "applied.json"


def wanted(context: Context) -> dict[str, str]:
    """Every setting that compose.yaml uses, as it is now, and a digest of the lab file's content."""
    names = set(SETTING.findall((context.root / "compose.yaml").read_text(encoding="utf-8"))) - OTHER
    found = {name: context.settings.get(name) or context.chosen.get(name, "") for name in sorted(names)}
    try:
        file = lab.settings(context.settings, context.root).file
        found[f"the content of {file.name}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    except (IamError, OSError):
        pass  # reported by services.check
    return found


def load(state: Path) -> dict[str, str]:
    """What the cluster was started with; {} where that is not known."""
    try:
        found = json.loads(file_in(state).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def save(state: Path, settings: Mapping[str, str]) -> None:
    write_private(file_in(state), json.dumps(settings, indent=1))


def remove(state: Path) -> None:
    file_in(state).unlink(missing_ok=True)


def changes(context: Context, members: Sequence[Member] = ()) -> Changes:
    """What differs from the settings that the cluster was started with; nothing where those are not known.

    A pool's size counts only where its `members` are not as many as is set now.
    """
    before, now = load(context.state), wanted(context)
    if not before:
        return Changes()
    differ = [name for name in now if now[name] != before.get(name, "")]
    sizes = [name for name in differ if name in SIZES and size(name, context) != count(name, members)]
    nodes = [name for name in differ if not of_cloud(name) and name not in SIZES]
    return Changes(tuple(filter(of_cloud, differ)), tuple(nodes), tuple(sizes))


def size(name: str, context: Context) -> int:
    return context.topology.pool(SIZES[name]).nodes


def count(name: str, members: Sequence[Member]) -> int:
    return sum(member.pool == SIZES[name] for member in members)


def of_cloud(name: str) -> bool:
    return name.startswith(("LAB_", "VERTEX_", "the content of")) or name == "DOCKER_SOCKET"


def accepted(context: Context, changed: Changes) -> dict[str, str]:
    """What the running cluster has after its cloud was restarted: the other settings are still the old ones."""
    before, now = load(context.state), wanted(context)
    return {**now, **{name: before.get(name, "") for name in (*changed.nodes, *changed.sizes)}}
