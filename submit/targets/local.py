"""The cluster that `make cluster-up` starts on this machine, in Docker or as processes: both answer alike."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import setting
from ..errors import UsageError
from ..versions import PYTHON, RAY
from . import Connection, Expectation


@dataclass(frozen=True, slots=True)
class Local:
    """The dashboard on this machine's loopback, at RAYDOCK_PORT."""

    name: str = "local"
    flags: str = ""
    mend: str = "make cluster-up"
    expects: Expectation = Expectation(RAY, PYTHON)

    def connect(self) -> Connection:
        """The ambient RAY_ADDRESS is never read: a job goes where the command line says."""
        port = setting("RAYDOCK_PORT", "8265")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise UsageError(f"RAYDOCK_PORT is {port!r}.", "make it a port from 1 to 65535")
        return Connection(f"http://127.0.0.1:{port}", through_proxy=False)


def create(address: str | None) -> Local:
    """The local target; it needs no address."""
    return Local()
