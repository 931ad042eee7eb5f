"""The report on one or several runs of a job: what they used, and what that takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from iam.policy.least_role import Grant
from iam.policy.principal import ANONYMOUS
from iam.used.attribution import Attributed
from iam.used.decisions import Decided
from iam.used.folders import folders_of
from iam.used.headers import HeaderAdvice, advise
from iam.used.held import Beyond
from iam.used.needs import Need, NeededGrants, is_background
from raydock.units import counted


@dataclass(frozen=True, slots=True)
class Touched:
    """What the runs did under one URI: the number of calls by permission, of objects, and of bytes."""

    uri: str
    calls: dict[str, int]
    objects: int
    read: int
    written: int


@dataclass(frozen=True, slots=True)
class UsedReport:
    """The report. `again`: whether the grants include replacing what the runs created.

    creates: the buckets in which another run would replace objects, which takes a permission that this one did not use
    beyond: what the job's identity holds in excess, if it was read
    """

    runs: tuple[Attributed, ...]
    needs: tuple[Need, ...]
    grants: NeededGrants
    again: bool = False
    creates: tuple[str, ...] = ()
    beyond: tuple[Beyond, ...] = ()

    @property
    def decisions(self) -> list[Decided]:
        """The decisions of all runs."""
        return [one for run in self.runs for one in run.decisions]

    @property
    def principals(self) -> tuple[str, ...]:
        """Who made the calls that had credentials."""
        return tuple(dict.fromkeys(name for run in self.runs for name in run.principals))

    @property
    def denied(self) -> list[Decided]:
        """The refused calls."""
        return [one for one in self.decisions if not one.granted]

    @property
    def header(self) -> HeaderAdvice:
        """The header that fits the last run."""
        return advise(self.runs[-1])

    @property
    def touched(self) -> tuple[Touched, ...]:
        """What was used, by folder."""
        return tuple(touched_of([one for one in self.decisions if one.granted]))

    def caveats(self) -> Iterator[str]:
        """Why the report may contain too much or too little."""
        for one in self.runs:
            run = one.run
            if run.overlapping:
                names = ", ".join(run.overlapping[:3]) + (", …" if len(run.overlapping) > 3 else "")
                yield (
                    f"{run.submission_id} ran at the same time as {names}, as the same identity: calls of both are "
                    "included. Run it alone: python submit.py --alone SCRIPT"
                )
            if not one.complete:
                yield f"The record no longer has everything that {run.submission_id} did: run it again."
            if not run.succeeded:
                yield f"{run.submission_id} is {run.status}: a complete run may use more."
            if background := sorted(
                {f"gs://{each.bucket}" for each in one.decisions if is_background(each, run)}
            ):
                yield (
                    f"storage.buckets.get on {' and '.join(background)} is not included: Google's Python client looks "
                    "up buckets in the background, and continues without it."
                )
            if public := sum(each.count for each in one.decisions if each.principal == ANONYMOUS):
                yield (
                    f"{run.submission_id} made {counted(public, 'call')} without credentials, which need no roles: "
                    "only what is public can be used that way."
                )
            if one.elsewhere:
                yield (
                    f"The same identity made {one.elsewhere:,} calls from machines outside the cluster, which are "
                    "not included."
                )

    def as_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        header = self.header
        return {
            "version": 1,
            "jobs": [one.run.submission_id for one in self.runs],
            "caveats": list(self.caveats()),
            "touched": [touched_json(one) for one in self.touched],
            "denied": list(map(denied_json, self.denied)),
            "permissions": [
                {
                    "principal": one.principal,
                    "resource": str(one.target),
                    "permissions": list(one.permissions),
                }
                for one in self.needs
            ],
            "grants": [grant_json(one) for one in self.grants.grants],
            "no_role_for": [
                {"resource": str(one.target), "permissions": list(one.permissions)}
                for one in self.grants.uncovered
            ],
            "includes_replacing": self.again,
            "beyond": [
                {
                    "bucket": one.bucket,
                    "used": one.used,
                    "permissions": list(one.permissions),
                    "roles": list(one.roles),
                }
                for one in self.beyond
            ],
            "header": {
                "known": header.declared,
                "accurate": header.accurate,
                "proposed": header.proposed.as_json(),
                "missing": [dict(zip(("in", "entry"), one, strict=True)) for one in header.missing],
                "unused": [dict(zip(("in", "entry"), one, strict=True)) for one in header.unused],
            },
        }


def touched_json(one: Touched) -> dict[str, Any]:
    """One line of the table as JSON."""
    return {
        "uri": one.uri,
        "calls": one.calls,
        "objects": one.objects,
        "bytes_read": one.read,
        "bytes_written": one.written,
    }


def denied_json(one: Decided) -> dict[str, Any]:
    """A refused call as JSON."""
    return {"permission": one.permission, "resource": one.resource, "prefix": one.prefix, "calls": one.count}


def grant_json(one: Grant) -> dict[str, Any]:
    """A grant as JSON."""
    return {"member": one.principal, "role": one.role, "resource": str(one.resource), "prefix": one.prefix}


def touched_of(decisions: Sequence[Decided]) -> Iterator[Touched]:
    """What was used, by bucket and folder. A bucket as a whole, and resources of other services, are separate lines."""
    whole: dict[str, list[Decided]] = {}
    inside: dict[str, list[Decided]] = {}
    for one in decisions:
        if one.on_object or one.prefix is not None:
            inside.setdefault(one.bucket, []).append(one)
        else:
            whole.setdefault(str(one.target), []).append(one)
    lines = [touched(uri, found) for uri, found in whole.items()]
    for bucket, found in inside.items():
        for group, names in folders_of(one.name for one in found).items():
            uri = f"gs://{bucket}/{group}" if group else f"gs://{bucket}"
            lines.append(touched(uri, [one for one in found if one.name in {*names}]))
    yield from sorted(lines, key=lambda one: one.uri)


def touched(uri: str, found: Sequence[Decided]) -> Touched:
    """The sums of some decisions."""
    calls: dict[str, int] = {}
    for one in sorted(found, key=lambda one: one.permission):
        calls[one.permission] = calls.get(one.permission, 0) + one.count
    read, written = (
        sum(one.size for one in found if one.permission == f"storage.objects.{verb}")
        for verb in ("get", "create")
    )
    return Touched(uri, calls, len({one.name for one in found if one.on_object}), read, written)
