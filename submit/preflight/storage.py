"""The storage check: whether the job's identity may read and write what the job declares.

iam/ decides; this module turns its outcomes into findings. With `--probe`, a job on the cluster finds out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from iam import text as iam_text
from iam.check import CLUSTER, CheckResult, check
from iam.policy.evaluate import Verdict as Access
from iam.policy.required_permissions import NO_VARIABLES, Operation, RequiredPermission, needs_of
from iam.policy_reader import PolicyReader
from raydock.errors import RaydockError
from raydock.gcp.clouds import GoogleCloud, http
from raydock.jobscript.header import Header

from ..findings import Finding, denied, ok, unknown
from .bucket_lookups import lookups

NO_SOURCES: Mapping[str, bytes] = MappingProxyType({})
PROBE = "pass --probe to test this with a small job on the cluster"


@dataclass(frozen=True, slots=True)
class StorageQuestion:
    """What to find out about one job's storage access.

    place: the cloud to ask; None if the cluster's cloud is unknown.
    """

    needs: tuple[RequiredPermission, ...]
    remarks: tuple[str, ...]
    place: GoogleCloud | None


@dataclass(frozen=True, slots=True)
class StorageCheck:
    """Who the job runs as, "" if unknown, and the findings about it."""

    principal: str = ""
    findings: tuple[Finding, ...] = field(default=())


def question(
    header: Header,
    arguments: tuple[str, ...],
    place: GoogleCloud | None,
    sources: Mapping[str, bytes] = NO_SOURCES,
    variables: Mapping[str, str] = NO_VARIABLES,
) -> StorageQuestion:
    """What the job needs, from its header, arguments, variables and the source of its modules.

    Raises IamError for an invalid URI.
    """
    needs, remarks = needs_of(header.reads, header.writes, arguments, lookups(header, sources), variables)
    return StorageQuestion(tuple(needs), tuple(remarks), place)


async def ask(asked: StorageQuestion, probed: Mapping[str, Any] | None = None) -> StorageCheck:
    """Check the job's storage access. A RaydockError becomes a finding.

    probed: the result of a probe job on the cluster, if one ran.
    """
    notes = [ok("storage", remark) for remark in asked.remarks]
    if asked.place is None:
        return StorageCheck(str(probed["principal"]) if probed else "", (*notes, *from_probe(asked, probed)))
    async with http(asked.place) as client:
        principal = str(probed["principal"]) if probed else ""
        try:
            if not asked.needs:
                return StorageCheck(await asked.place.job(client), tuple(notes))
            who, token = await asyncio.gather(asked.place.job(client), asked.place.token(client))
            principal = principal or who
            if not principal:
                return StorageCheck("", (*notes, unknown_principal(asked)))
            held = held_of(probed) if probed else None
            reader = PolicyReader(client, asked.place, token, asked.place.headers_of_caller())
            found = await check(principal, asked.needs, reader, held)
            granted = {one.uri for one in found if one.verdict is Access.GRANTED}
            absent = await missing_objects([need for need in asked.needs if need.uri in granted], reader)
        except RaydockError as fault:
            return StorageCheck(principal, (*notes, *([not_checked(fault)] if asked.needs else [])))
    return StorageCheck(principal, (*notes, *(finding(one, asked.place.name) for one in found), *absent))


async def missing_objects(needs: Iterable[RequiredPermission], reader: PolicyReader) -> list[Finding]:
    """Findings for objects that the job reads but does not write, and that the caller can see do not exist."""
    written = [need for need in needs if need.operation in (Operation.CREATE, Operation.OVERWRITE)]
    read = {
        need.uri: need
        for need in needs
        if need.operation is Operation.READ
        and need.there is not False
        and need.object_name
        and not any(need.uri.startswith(one.uri.rstrip("*")) for one in written)
    }
    exist = await asyncio.gather(
        *(reader.there(need.bucket, need.object_name, need.is_prefix) for need in read.values())
    )
    return [missing_object(need) for need, found in zip(read.values(), exist, strict=True) if found is False]


def missing_object(need: RequiredPermission) -> Finding:
    """The finding for an object that does not exist: DENIED if the header declares that it is read."""
    text = f"{need.uri}: no such object ({need.because})."
    if need.there:
        return denied(
            "storage", text, f"create it first, or check its name: gcloud storage ls gs://{need.bucket}/"
        )
    return unknown(
        "storage", text, f'if the job creates it, declare it in the header: writes = ["{need.uri}"]'
    )


def from_probe(asked: StorageQuestion, probed: Mapping[str, Any] | None) -> list[Finding]:
    """Findings for a cluster whose cloud is unknown: only the probe's result counts."""
    if not asked.needs:
        return []
    if not probed:
        return [unknown_principal(asked)]
    held = held_of(probed)
    found = []
    for need in asked.needs:
        missing = [one for one in need.permissions if one not in held.get(need.bucket, frozenset())]
        granted = f"{need.uri}: {need.operation.value}, as {probed['principal']} ({CLUSTER})"
        if missing:
            text = f"{probed['principal']} lacks {' and '.join(missing)} on {need.uri} ({need.because})."
            found.append(denied("storage", text, "grant it to that principal on the bucket"))
        else:
            found.append(ok("storage", granted))
    return found


def held_of(probed: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The permissions that a probe found, by bucket."""
    return {bucket: frozenset(held) for bucket, held in probed["held"].items()}


def finding(one: CheckResult, place: str) -> Finding:
    """The finding for a result from iam. For UNKNOWN, suggests a probe unless one has just run."""
    if one.verdict is Access.GRANTED:
        return ok("storage", iam_text.sentence(one))
    if one.verdict is Access.DENIED:
        return denied("storage", iam_text.sentence(one), iam_text.fix(one, place))
    fixes = [PROBE] if one.how != CLUSTER else []
    fixes += [iam_text.fix(one, place)] if one.fixes else []
    return unknown("storage", iam_text.sentence(one), "\n".join(fixes))


def unknown_principal(asked: StorageQuestion) -> Finding:
    """The finding if the job's identity is unknown."""
    uris = ", ".join(dict.fromkeys(need.uri for need in asked.needs))
    return unknown(
        "storage",
        f"Could not determine who the job would run as, so access to {uris} was not checked.",
        PROBE,
    )


def not_checked(fault: RaydockError) -> Finding:
    """The finding if the permissions could not be checked."""
    return unknown("storage", f"Permissions could not be checked: {fault.message}", fault.fix or PROBE)
