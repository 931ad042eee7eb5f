"""Settings of the control plane, from the environment; compose.yaml sets them. Besides, those of cloud/config.py.

VERTEX_STATE          folder for what it remembers, default /var/lib/vertex
VERTEX_DOCKER         the engine's socket, default /var/run/docker.sock
VERTEX_PROJECT        the Compose project that the nodes belong to, default raydock
VERTEX_IMAGE_PREFIX   before /head, /cpu-worker and /gpu-worker, default raydock
VERTEX_READY_SECONDS  seconds that the nodes of a cluster have to become ready, default 180
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iam.errors import IamError
from raydock.units import seconds


@dataclass(frozen=True, slots=True)
class ControlPlaneSettings:
    state: Path
    socket: str
    project: str
    prefix: str
    ready: float


def read(environ: Mapping[str, str]) -> ControlPlaneSettings:
    """Raises IamError for a setting that can't be used, naming it."""
    project = environ.get("VERTEX_PROJECT") or "raydock"
    return ControlPlaneSettings(
        state=Path(environ.get("VERTEX_STATE") or "/var/lib/vertex"),
        socket=environ.get("VERTEX_DOCKER") or "/var/run/docker.sock",
        project=project,
        prefix=environ.get("VERTEX_IMAGE_PREFIX") or "raydock",
        ready=ready(environ.get("VERTEX_READY_SECONDS") or "180"),
    )


def ready(text: str) -> float:
    try:
        value = seconds(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 3600:
        raise IamError(f"VERTEX_READY_SECONDS is {text!r}.", "Make it a number of seconds from 1 to 3600")
    return value
