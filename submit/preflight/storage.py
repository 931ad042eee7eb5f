"""The check of storage permissions: may the identity that the job will run as touch what it reads and writes?

iam/ decides; here its outcomes become findings, and `--probe` has the cluster ask for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from iam import text as words
from iam.check import CLUSTER, Outcome, check
from iam.policy.evaluate import Verdict as Access
from iam.policy.required_permissions import NO_VARIABLES, Operation, RequiredPermission, needs_of
from iam.policy_reader import PolicyReader
from raydock.errors import RaydockError
from raydock.gcp.clouds import GoogleCloud, http
from raydock.jobscript.header import Header

from ..findings import Finding, denied, ok, unknown
from .bucket_lookups import lookups

NO_SOURCES: Mapping[str, bytes] = MappingProxyType({})
PROBE = "pass --probe to ask from inside the cluster with a small job"


@dataclass(frozen=True, slots=True)
class StorageQuestion:
    """What is to be found out about one job."""

    needs: tuple[RequiredPermission, ...]
    remarks: tuple[str, ...]
    place: GoogleCloud | None


@dataclass(frozen=True, slots=True)
class StorageCheck:
    """Who the job runs as ("" if it isn't known), and what was found about it."""

    principal: str = ""
    findings: tuple[Finding, ...] = field(default=())


def question(
    header: Header,
    arguments: tuple[str, ...],
    place: GoogleCloud | None,
    sources: Mapping[str, bytes] = NO_SOURCES,
    variables: Mapping[str, str] = NO_VARIABLES,
) -> StorageQuestion:
    """What the job needs, by its header, its arguments, its variables and the text of its modules.

    Raises IamError for a URI that can't be one.
    """
    needs, remarks = needs_of(header.reads, header.writes, arguments, lookups(header, sources), variables)
    return StorageQuestion(tuple(needs), tuple(remarks), place)


async def ask(asked: StorageQuestion, probed: Mapping[str, Any] | None = None) -> StorageCheck:
    """Asks, with what a probe was told where there was one. Never raises RaydockError: it becomes a finding."""
    notes = [ok("storage", remark) for remark in asked.remarks]
    if asked.place is None:
        return StorageCheck(
            str(probed["principal"]) if probed else "", (*notes, *without_place(asked, probed))
        )
    async with http(asked.place) as client:
        principal = str(probed["principal"]) if probed else ""
        try:
            if not asked.needs:
                return StorageCheck(await asked.place.job(client), tuple(notes))
            who, token = await asyncio.gather(asked.place.job(client), asked.place.token(client))
            principal = principal or who
            if not principal:
                return StorageCheck("", (*notes, nobody(asked)))
            held = held_of(probed) if probed else None
            asker = PolicyReader(client, asked.place, token, asked.place.headers_of_caller())
            found = await check(principal, asked.needs, asker, held)
            granted = {one.uri for one in found if one.verdict is Access.GRANTED}
            absent = await missing_objects([need for need in asked.needs if need.uri in granted], asker)
        except RaydockError as fault:
            return StorageCheck(principal, (*notes, *([unasked(fault)] if asked.needs else [])))
    return StorageCheck(principal, (*notes, *(finding(one, asked.place.name) for one in found), *absent))


async def missing_objects(needs: Iterable[RequiredPermission], asker: PolicyReader) -> list[Finding]:
    """What the job reads, does not write, and is not there, as far as the caller may see that."""
    written = [need for need in needs if need.operation in (Operation.CREATE, Operation.OVERWRITE)]
    read = {
        need.uri: need
        for need in needs
        if need.operation is Operation.READ
        and need.there is not False
        and need.object_name
        and not any(need.uri.startswith(one.uri.rstrip("*")) for one in written)
    }
    there = await asyncio.gather(
        *(asker.there(need.bucket, need.object_name, need.is_prefix) for need in read.values())
    )
    return [missing_object(need) for need, found in zip(read.values(), there, strict=True) if found is False]


def missing_object(need: RequiredPermission) -> Finding:
    text = f"{need.uri}: no such object ({need.because})."
    if need.there:
        return denied(
            "storage", text, f"create it first, or check its name: gcloud storage ls gs://{need.bucket}/"
        )
    return unknown(
        "storage", text, f'if the job creates it, declare it in the header: writes = ["{need.uri}"]'
    )


def without_place(asked: StorageQuestion, probed: Mapping[str, Any] | None) -> list[Finding]:
    """On any other dashboard only what the cluster itself was told counts."""
    if not asked.needs:
        return []
    if not probed:
        return [nobody(asked)]
    held = held_of(probed)
    found = []
    for need in asked.needs:
        missing = [one for one in need.permissions if one not in held.get(need.bucket, frozenset())]
        told = f"{need.uri}: {need.operation.value}, as {probed['principal']} ({CLUSTER})"
        if missing:
            text = f"{probed['principal']} has no {' and '.join(missing)} on {need.uri} ({need.because})."
            found.append(denied("storage", text, "grant it to that principal on the bucket"))
        else:
            found.append(ok("storage", told))
    return found


def held_of(probed: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {bucket: frozenset(held) for bucket, held in probed["held"].items()}


def finding(one: Outcome, place: str) -> Finding:
    """An outcome in iam's words; what is not known is asked by a probe, unless one has just asked."""
    if one.verdict is Access.GRANTED:
        return ok("storage", words.sentence(one))
    if one.verdict is Access.DENIED:
        return denied("storage", words.sentence(one), words.fix(one, place))
    fixes = [PROBE] if one.how != CLUSTER else []
    fixes += [words.fix(one, place)] if one.fixes else []
    return unknown("storage", words.sentence(one), "\n".join(fixes))


def nobody(asked: StorageQuestion) -> Finding:
    uris = ", ".join(dict.fromkeys(need.uri for need in asked.needs))
    return unknown(
        "storage", f"Could not determine who the job would run as, so {uris} was not checked.", PROBE
    )


def unasked(fault: RaydockError) -> Finding:
    return unknown("storage", f"Permissions could not be checked: {fault.message}", fault.fix or PROBE)
