"""The storage check: whether the job's identity may read and write what the job declares.

iam/ decides; this module turns its outcomes into findings. With `--probe`, a job on the cluster finds out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from iam import text as iam_text
from iam.check import CLUSTER, CheckResult, check
from iam.policy.evaluate import Verdict as Access
from iam.policy.principal import email
from iam.policy.required_permissions import NO_VARIABLES, Operation, RequiredPermission, needs_of
from iam.policy_reader import PolicyReader
from raydock.errors import NotFound, RaydockError
from raydock.gcp.clouds import GoogleCloud, JobIdentity, http
from raydock.jobscript.header import Header

from ..findings import Finding, denied, ok, unknown
from .analysis.defaults import is_open, with_defaults
from .bucket_lookups import lookups, parsed

NO_SOURCES: Mapping[str, bytes] = MappingProxyType({})
WORKLOAD_ROLE = "roles/iam.workloadIdentityUser"
LAB_GCLOUD = 'eval "$(python -m cluster env)" && python -m vertex.gcloud gcloud'  # the lab's own
DECLARE = 'pass the argument, or add its default to the header, such as reads = ["--read=gs://bucket/x"]'
PROBE = "pass --probe to test this with a small job on the cluster"


@dataclass(frozen=True, slots=True)
class StorageQuestion:
    """What to find out about one job's storage access.

    place: the cloud to ask; None if the cluster's cloud is unknown.
    open: arguments that the header lists and the command line does not, with unknown defaults.
    """

    needs: tuple[RequiredPermission, ...]
    remarks: tuple[str, ...]
    place: GoogleCloud | None
    open: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StorageCheck:
    """Who the job runs as (several principals with commas between them), "" if unknown, and the findings about it."""

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
    trees = parsed(sources)
    reads, writes = (
        with_defaults(entries, trees.values(), arguments) for entries in (header.reads, header.writes)
    )
    undetermined = tuple(one for one in (*reads, *writes) if is_open(one, arguments, variables))
    reads, writes = (tuple(one for one in entries if one not in undetermined) for entries in (reads, writes))
    found = lookups(replace(header, reads=reads, writes=writes), trees)
    needs, remarks = needs_of(reads, writes, arguments, found, variables)
    return StorageQuestion(tuple(needs), tuple(remarks), place, undetermined)


async def ask(asked: StorageQuestion, probed: Mapping[str, Any] | None = None) -> StorageCheck:
    """Check the job's storage access, as each identity that its code may run as. A RaydockError becomes a finding.

    probed: the result of a probe job on the cluster, if one ran; it ran as the head's identity.
    """
    notes = [ok("storage", remark) for remark in asked.remarks]
    notes += [
        unknown("storage", f"The default of {one} could not be determined.", DECLARE) for one in asked.open
    ]
    if asked.place is None:
        return StorageCheck(str(probed["principal"]) if probed else "", (*notes, *from_probe(asked, probed)))
    async with http(asked.place) as client:
        found: Iterable[Finding] = ()
        who = as_probed((), probed)
        try:
            if not asked.needs:
                return StorageCheck(spelled(await asked.place.identities(client)), tuple(notes))
            who = as_probed(await asked.place.identities(client), probed)
            # Nothing to ask Google about identities that are unknown.
            token = await asked.place.token(client) if any(one.principal for one in who) else ""
            reader = PolicyReader(client, asked.place, token, asked.place.headers_of_caller())
            found = await findings_of(asked, who, reader, probed)
        except RaydockError as fault:
            found = [not_checked(fault)] if asked.needs else []
    return StorageCheck(spelled(who), (*notes, *found))


def as_probed(known: Sequence[JobIdentity], probed: Mapping[str, Any] | None) -> list[JobIdentity]:
    """The identities, with the head's as the probe found it."""
    if not probed:
        return list(known)
    return [JobIdentity(str(probed["principal"])), *(one for one in known if not one.head)]


def spelled(identities: Iterable[JobIdentity]) -> str:
    """The principals as text; "" if one of them is unknown."""
    principals = dict.fromkeys(one.principal for one in identities)
    return "" if "" in principals else ", ".join(principals)


async def findings_of(
    asked: StorageQuestion,
    identities: Sequence[JobIdentity],
    reader: PolicyReader,
    probed: Mapping[str, Any] | None,
) -> list[Finding]:
    """The findings about each identity, each principal once, and about objects that do not exist."""
    assert asked.place is not None
    found: list[Finding] = []
    granted: set[str] = set()
    if not any(one.principal or one.why for one in identities):
        return [unknown_principal(asked)]
    unclear = [one for one in identities if one.why]
    for fix in dict.fromkeys(one.fix for one in unclear):
        found.append(unknown_identities([one for one in unclear if one.fix == fix], asked))
    for one in identities:
        found += await workload_findings(one, reader, asked.place.name) if one.principal else []
    for principal in dict.fromkeys(one.principal for one in identities if one.principal):
        held = held_of(probed) if probed and principal == probed["principal"] else None
        results = await check(principal, asked.needs, reader, held)
        granted |= {one.uri for one in results if one.verdict is Access.GRANTED}
        found += [finding(one, asked.place.name) for one in results]
    return found + await missing_objects([need for need in asked.needs if need.uri in granted], reader)


def unknown_identities(alike: Sequence[JobIdentity], asked: StorageQuestion) -> Finding:
    """The finding for pods whose Google accounts are unknown, all with one fix. A probe asks as the head's only."""
    uris = ", ".join(dict.fromkeys(need.uri for need in asked.needs))
    probe = f"\nor {PROBE}" if any(one.head for one in alike) else ""
    why = "; ".join(one.why for one in alike)
    return unknown("storage", f"{uris} could not be checked: {why}.", alike[0].fix + probe)


async def workload_findings(one: JobIdentity, reader: PolicyReader, place: str) -> list[Finding]:
    """The finding if the Kubernetes service account may not act as its Google account, or if that is unknown.

    `place` is the cloud's name.
    """
    if not one.workload:
        return []
    address = email(one.principal)
    namespace, _, name = one.workload.partition("/")
    gcloud = LAB_GCLOUD if place == "local" else "gcloud"
    pool = one.pool or "PROJECT.svc.id.goog"
    add = (
        f"{gcloud} iam service-accounts add-iam-policy-binding {address} --role {WORKLOAD_ROLE} "
        f'--member "serviceAccount:{pool}[{one.workload}]"'
    )
    member = re.compile(rf"serviceAccount:[a-z0-9.:-]+\.svc\.id\.goog\[{re.escape(one.workload)}\]")
    try:
        policy = await reader.service_account_policy(address)
    except NotFound:
        return [
            denied(
                "storage",
                f"There is no service account {address}.",
                f"{gcloud} iam service-accounts create {address.partition('@')[0]}",
            )
        ]
    who = f"Kubernetes service account {name} in namespace {namespace}"
    if policy is None:
        text = f"Whether {who} may act as {address} is unknown: you may not read that account's policy."
        return [unknown("storage", text, add + (f"\nor {PROBE}" if one.head else ""))]
    bound = [each for each in policy.bindings if each.role == WORKLOAD_ROLE]
    if any(member.fullmatch(who) for each in bound for who in each.members):
        return []
    text = f"{who} may not act as {address}: that account's policy does not grant it {WORKLOAD_ROLE}."
    return [denied("storage", text, add)]


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
