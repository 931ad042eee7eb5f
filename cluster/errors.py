"""Errors of `python -m cluster`. Each has a one-sentence message and the command that fixes the problem.

ClusterError (exit code 1), next to raydock.errors.UsageError (2)
├── NoEngine            no Docker engine answers, or `docker compose` is missing
├── NoRegistry          an image can't be pulled from this machine
├── PortTaken           another program listens on the dashboard's port
├── Busy                another `python -m cluster` is changing this cluster
├── OtherRuntime        a cluster already exists with another runtime
├── TooSmall            the machine has too little memory for the smallest cluster
├── InUse (3)           jobs run on nodes that would be restarted; nothing was changed
└── Leftover            `down` could not remove everything
"""

from __future__ import annotations

from raydock.errors import RaydockError


class ClusterError(RaydockError):
    """The base class: `message` says what failed, on what and why; `fix` is the command that fixes it."""

    exit_code = 1

    def __str__(self) -> str:
        return f"{self.message}\n  {self.fix}"


class NoEngine(ClusterError):
    """No Docker engine answers, or `docker compose` is missing."""


class NoRegistry(ClusterError):
    """An image can't be pulled from this machine."""


class PortTaken(ClusterError):
    """Another program listens on the dashboard's port."""


class Busy(ClusterError):
    """Another `python -m cluster` is changing this cluster."""


class OtherRuntime(ClusterError):
    """A cluster already exists with another runtime, or under the same name on Vertex AI."""


class TooSmall(ClusterError):
    """The machine has too little memory for the smallest cluster. Nothing was started."""


class InUse(ClusterError):
    """Jobs run on nodes that would be restarted. Nothing was changed."""

    exit_code = 3


class Leftover(ClusterError):
    """`down` could not remove everything."""
