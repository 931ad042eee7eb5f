"""The control plane's settings, read from the environment and set in compose.yaml. It also reads LAB_STATE.

VERTEX_STATE          folder for its state, default /var/lib/vertex
VERTEX_DOCKER         the Docker engine's socket, default /var/run/docker.sock
VERTEX_PROJECT        the Compose project of the nodes, default raydock
VERTEX_IMAGE_PREFIX   image name prefix before /head, /cpu-worker and /gpu-worker, default raydock
VERTEX_IMAGES         local images to run instead of requested images: IMAGE=LOCAL,IMAGE=LOCAL; default none
VERTEX_READY_SECONDS  deadline in seconds for a cluster's nodes to become ready, default 180
VERTEX_IDLE_SECONDS   time in seconds after which an idle node of an autoscaled pool is removed, default 300
VERTEX_NODE_CPUS      the most CPUs that a worker offers, default this machine's: nodes/node_sizing.py reads it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud.controlplane.nodes.images import local_images
from cloud.controlplane.nodes.node_sizing import most_cpus
from iam.errors import IamError
from raydock.units import seconds


@dataclass(frozen=True, slots=True)
class ControlPlaneSettings:
    """The parsed settings; see the module's docstring for their meaning."""

    state: Path
    socket: str
    project: str
    prefix: str
    images: Mapping[str, str]
    ready: float
    idle: float


def read(environ: Mapping[str, str]) -> ControlPlaneSettings:
    """Read the settings. Raises IamError for an invalid value; its message includes the setting."""
    most_cpus(environ)
    project = environ.get("VERTEX_PROJECT") or "raydock"
    return ControlPlaneSettings(
        state=Path(environ.get("VERTEX_STATE") or "/var/lib/vertex"),
        socket=environ.get("VERTEX_DOCKER") or "/var/run/docker.sock",
        project=project,
        prefix=environ.get("VERTEX_IMAGE_PREFIX") or "raydock",
        images=images(environ.get("VERTEX_IMAGES") or ""),
        ready=duration(environ, "VERTEX_READY_SECONDS", "180"),
        idle=duration(environ, "VERTEX_IDLE_SECONDS", "300"),
    )


def images(text: str) -> Mapping[str, str]:
    """The value of VERTEX_IMAGES. Raises IamError if it is invalid."""
    try:
        return local_images(text)
    except ValueError as fault:
        raise IamError(
            f"Invalid entry in VERTEX_IMAGES: {str(fault)!r}.",
            "Set it to IMAGE=LOCAL,IMAGE=LOCAL: each requested image, and the local image to run instead",
        ) from None


def duration(environ: Mapping[str, str], name: str, default: str) -> float:
    """The value of a setting in seconds. Raises IamError if it is invalid."""
    text = environ.get(name) or default
    try:
        value = seconds(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 3600:
        raise IamError(f"Invalid value for {name}: {text!r}.", "Set it to a number of seconds from 1 to 3600")
    return value
