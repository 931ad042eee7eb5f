"""The lab's faults, over the lab API that only the cluster's key opens: cloud/faults/lab_api.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cluster.fault.options import Wanted
from raydock.answers import mapping, number, rows, text
from raydock.errors import CommandFailed, NotFound, UsageError
from raydock.faults import Fault, from_json
from raydock.gcp.clouds import LabCloud
from raydock.gcp.lab_api import UPDATE, LabOutdated, LabRequest, LabResponse
from raydock.rayapi.connection import Gateway

PATH = "/lab/faults"


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault in the running lab: its remaining time, and how many calls it could have hit and did hit."""

    id: str
    fault: Fault
    seconds_left: float
    calls: int
    hits: int


@dataclass(frozen=True, slots=True)
class LabFaults:
    """The faults of a lab. Every method raises Unreachable if it does not answer."""

    lab: LabCloud

    def active(self) -> list[ActiveFault]:
        """The active faults, oldest first. A lab from before faults existed has none."""
        try:
            return self.send(LabRequest("GET", PATH))
        except LabOutdated:
            return []

    def start(self, wanted: Wanted) -> ActiveFault:
        """Start a fault. Raises NotFound for an unknown bucket and UsageError if the lab refuses it."""
        body = {"fault": wanted.fault.as_json(), "seconds": wanted.seconds}
        [made] = self.send(LabRequest("POST", PATH, body))
        return made

    def clear(self, ids: Sequence[str]) -> list[ActiveFault]:
        """End these faults, or all if there are no IDs. Raises NotFound for an unknown ID."""
        query = urlencode([("id", id) for id in ids])
        return self.send(LabRequest("DELETE", f"{PATH}?{query}"))

    def send(self, request: LabRequest) -> list[ActiveFault]:
        """Send one request; the faults in its response."""
        found = self.lab.call(request)
        if found.status != 200:
            raise refusal(found)
        return [fault_of(one) for one in rows(found.body.get("faults"))]


def of_cluster(gateway: Gateway) -> LabFaults:
    """The faults of the lab behind a gateway."""
    return LabFaults(LabCloud(gateway.url, gateway.headers()))


def fault_of(row: Any) -> ActiveFault:
    """One fault of a response. Raises CommandFailed if the lab's version differs from this checkout's."""
    try:
        fault = from_json(mapping(row.get("fault")))
    except ValueError as problem:
        raise CommandFailed(f"The running lab is of another version: {problem}", UPDATE) from None
    calls, hits = (int(number(row.get(name))) for name in ("calls", "hits"))
    return ActiveFault(text(row.get("id")), fault, number(row.get("seconds_left")), calls, hits)


def refusal(found: LabResponse) -> Exception:
    """The error for the lab's refusal."""
    message = text(found.error.get("message"))
    if not message:
        return CommandFailed(f"The running lab can't cause faults: it returned {found.status}.", UPDATE)
    if message.startswith("Bucket "):
        return NotFound(message, "python -m iam bucket list")
    if found.status == 404:
        return NotFound(message, "python -m cluster fault list")
    return UsageError(message, "python -m cluster fault --help")
