"""What can go wrong, as one sentence and the command that mends it.

ClusterError (exit code 1), beside the shared kinds of raydock.errors
├── NoEngine            no Docker engine answers here, or no `docker compose`
├── NoRegistry          an image can't be pulled from here
├── PortTaken           something else listens on the dashboard's port
├── Busy                another `python -m cluster` is at work on this cluster
├── OtherKind           a cluster of the other kind is up
├── TooSmall            the machine has too little memory for the smallest cluster
├── InUse (3)           jobs run on nodes that would be restarted; nothing was touched
└── Leftover            `down` could not remove everything
"""

from __future__ import annotations

from raydock.errors import RaydockError


class ClusterError(RaydockError):
    """Says what failed, on what and why (`message`), and the command that mends it (`fix`)."""

    exit_code = 1

    def __str__(self) -> str:
        return f"{self.message}\n  {self.fix}"


class NoEngine(ClusterError):
    pass


class NoRegistry(ClusterError):
    pass


class PortTaken(ClusterError):
    pass


class Busy(ClusterError):
    pass


class OtherKind(ClusterError):
    pass


class TooSmall(ClusterError):
    pass


class InUse(ClusterError):
    exit_code = 3


class Leftover(ClusterError):
    pass
