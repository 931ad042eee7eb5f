"""The errors that `python -m cluster` raises. Each consists of a one-sentence message and a command that fixes it.

ClusterError (exit code 1); see also raydock.errors.UsageError (2)
├── NoEngine            no Docker engine responds, or `docker compose` is missing
├── NoRegistry          an image can't be pulled from this machine
├── NoApiServer         the lab's Kubernetes API server can't be built on this machine
├── PortTaken           another program is listening on the dashboard's port
├── Busy                another `python -m cluster` is changing this cluster
├── OtherRuntime        a cluster already exists on another runtime
├── TooSmall            the machine has too little memory for the smallest cluster
├── InUse (3)           jobs are running on nodes that would be restarted; nothing was changed
└── Leftover            `down` could not remove everything
"""

from __future__ import annotations

from raydock.errors import RaydockError


class ClusterError(RaydockError):
    """The base class. `message` explains what failed, on what and why; `fix` is the command that fixes it."""

    exit_code = 1

    def __str__(self) -> str:
        return f"{self.message}\n  {self.fix}"


class NoEngine(ClusterError):
    """No Docker engine responds, or `docker compose` is missing."""


class NoRegistry(ClusterError):
    """An image can't be pulled from this machine."""


class NoApiServer(ClusterError):
    """The lab's Kubernetes API server can't be built on this machine."""


class PortTaken(ClusterError):
    """Another program is listening on the dashboard's port."""


class Busy(ClusterError):
    """Another `python -m cluster` is changing this cluster."""


class OtherRuntime(ClusterError):
    """A cluster already exists on another runtime, or under the same name on Vertex AI."""


class TooSmall(ClusterError):
    """The machine has too little memory for the smallest cluster. Nothing was started."""


class InUse(ClusterError):
    """Jobs are running on nodes that would be restarted. Nothing was changed."""

    exit_code = 3


class Leftover(ClusterError):
    """`down` could not remove everything."""
