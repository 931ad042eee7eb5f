"""The lab's faults, over the lab API that only the cluster's key opens: cloud/faults/lab_api.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cluster.fault.options import Wanted
from raydock.answers import mapping, number, parsed, rows, text
from raydock.errors import CommandFailed, NotFound, Unreachable, UsageError
from raydock.faults import Fault, from_json
from raydock.gcp.clouds import UPDATE
from raydock.rayapi.connection import Gateway

PATH = "/lab/faults"
SECONDS = 10.0


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
    """The faults of the lab behind a gateway. Every method raises Unreachable if the lab does not answer."""

    gateway: Gateway

    def active(self) -> list[ActiveFault]:
        """The active faults, oldest first."""
        return self.send("GET")

    def start(self, wanted: Wanted) -> ActiveFault:
        """Start a fault. Raises NotFound for an unknown bucket and UsageError if the lab refuses it."""
        [made] = self.send("POST", {"fault": wanted.fault.as_json(), "seconds": wanted.seconds})
        return made

    def clear(self, ids: Sequence[str]) -> list[ActiveFault]:
        """End these faults, or all if there are no IDs. Raises NotFound for an unknown ID."""
        return self.send("DELETE", ids=ids)

    def send(self, method: str, body: Any = None, ids: Sequence[str] = ()) -> list[ActiveFault]:
        """Send one request; the faults in its response."""
        import httpx

        from raydock.rayapi import no_answer

        url, headers = self.gateway.url + PATH, self.gateway.headers()
        try:
            with httpx.Client(trust_env=False, timeout=SECONDS) as client:
                reply = client.request(method, url, json=body, headers=headers, params={"id": list(ids)})
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            why = no_answer.reason(fault, SECONDS)
            raise Unreachable(f"The lab's cloud does not answer: {why}.", "make cluster-up") from None
        try:
            found = mapping(parsed(reply.content))
        except ValueError:
            found = {}
        if reply.status_code != 200:
            if method == "GET" and reply.status_code == 404:
                return []  # a lab started from an earlier checkout
            raise refusal(reply.status_code, mapping(found.get("error")))
        return [fault_of(one) for one in rows(found.get("faults"))]


def fault_of(row: Any) -> ActiveFault:
    """One fault of a response. Raises CommandFailed if the lab's version differs from this checkout's."""
    try:
        fault = from_json(mapping(row.get("fault")))
    except ValueError as problem:
        raise CommandFailed(f"The running lab is of another version: {problem}", UPDATE) from None
    calls, hits = (int(number(row.get(name))) for name in ("calls", "hits"))
    return ActiveFault(text(row.get("id")), fault, number(row.get("seconds_left")), calls, hits)


def refusal(status: int, error: Any) -> Exception:
    """The error for the lab's refusal."""
    message = text(error.get("message"))
    if status == 401:
        return CommandFailed("The lab's cloud rejected this checkout's key.", "make cluster-down cluster-up")
    if not message:
        return CommandFailed(f"The running lab can't cause faults: it returned {status}.", UPDATE)
    if message.startswith("Bucket "):
        return NotFound(message, "python -m iam bucket list")
    if status == 404:
        return NotFound(message, "python -m cluster fault list")
    return UsageError(message, "python -m cluster fault --help")
