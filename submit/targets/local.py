"""The cluster that `make cluster-up` starts on this machine, in Docker or as processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raydock import state
from raydock.errors import UsageError
from raydock.rayapi.cluster_info import NodeResources
from raydock.rayapi.connection import Connection, ExpectedVersions
from raydock.settings import setting
from raydock.versions import PYTHON, RAY

from . import TargetOptions

if TYPE_CHECKING:
    from raydock.gcp.clouds import LabCloud


@dataclass(frozen=True, slots=True)
class LocalTarget:
    """The dashboard on this machine's loopback interface, at RAYDOCK_PORT."""

    name: str = "local"
    flags: str = ""
    expects: ExpectedVersions = ExpectedVersions(RAY, PYTHON)

    @property
    def fix(self) -> str:
        """What to do if it does not answer."""
        from raydock.gcp.clouds import inside_lab

        if inside_lab():
            return (
                "in a container of the lab, send it to a cluster on Vertex AI: --target vertex --cluster NAME"
            )
        return "make cluster-up"

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Nothing to wait for: the first request reports what is wrong."""

    def connect(self) -> Connection:
        """The gateway. RAY_ADDRESS is never read: the command line alone selects the target."""
        return Connection(self.url(), key_header, through_proxy=False)

    def addable(self) -> tuple[NodeResources, ...]:
        """None: the local cluster does not scale by itself."""
        return ()

    def google(self) -> LabCloud:
        """The lab's cloud, behind the same gateway."""
        from raydock.gcp.clouds import LabCloud

        return LabCloud(self.url(), key_header())

    def url(self) -> str:
        """The gateway's address. Raises UsageError."""
        port = setting("RAYDOCK_PORT", "8265")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise UsageError(
                f"RAYDOCK_PORT is {port!r}, which is not a port.", "set it to a port from 1 to 65535"
            )
        return f"http://127.0.0.1:{port}"


def key_header() -> dict[str, str]:
    """The header with the key that `make cluster-up` wrote, which is read again for each request."""
    try:
        key = state.read_key(state.folder())
    except (OSError, ValueError):
        key = ""
    return {"Authorization": f"Bearer {key}"} if key else {}  # the gateway then rejects the request


def create(asked: TargetOptions) -> LocalTarget:
    """The local target; it takes no options."""
    return LocalTarget()
