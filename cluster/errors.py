"""What can go wrong, as one sentence and the command that mends it.

ClusterError (exit code 1), beside raydock.errors.UsageError (2)
├── NotUp (4)           there is no cluster to ask
├── NoEngine            no Docker engine answers here, or no `docker compose`
├── NoRegistry          an image can't be pulled from here
├── PortTaken           something else listens on the dashboard's port
├── Busy                another `python -m cluster` is at work on this cluster
├── OtherKind           a cluster of the other kind is up
├── InUse (3)           jobs run on nodes that would be restarted; nothing was touched
├── NotReady            a deadline passed; the message holds the last status seen
├── Interrupted (130)   Ctrl-C; the message says what is left
├── CommandFailed       a command that we ran ended with an error
└── Leftover            `down` could not remove everything
"""

from __future__ import annotations

from raydock.errors import RaydockError


class ClusterError(RaydockError):
    """Says what failed, on what and why (`message`), and the command that mends it (`fix`)."""

    exit_code = 1

    def __str__(self) -> str:
        return f"{self.message}\n  {self.fix}"


class NotUp(ClusterError):
    exit_code = 4


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


class InUse(ClusterError):
    exit_code = 3


class NotReady(ClusterError):
    pass


class Interrupted(ClusterError):
    exit_code = 130


class CommandFailed(ClusterError):
    pass


class Leftover(ClusterError):
    pass
