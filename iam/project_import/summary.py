"""The summary that an import prints: what it read, what is hidden, and what the lab does differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from iam.policy.principal import is_custom_account
from iam.project_import.document import NUMBER, job_of
from iam.project_import.parts import DENY, INHERITED, listed, sentences
from iam.project_import.snapshot import ProjectSnapshot
from raydock.units import counted

ASSUMABLE = {"deny": DENY, "inherited": INHERITED}


@dataclass(frozen=True, slots=True)
class Summary:
    """What was read, in one sentence, and the sentences about what is hidden, assumed and different."""

    read: str
    hidden: tuple[str, ...]
    assumed: tuple[str, ...]
    notes: tuple[str, ...]


def summary(found: ProjectSnapshot, assumed: frozenset[str]) -> Summary:
    """Summarize an import."""
    skipped = [ASSUMABLE[name] for name in sorted(assumed)]
    hidden = [one for one in found.hidden if one.part not in skipped]
    empty = [one for one in found.hidden if one.part in skipped]
    return Summary(
        read_sentence(found),
        tuple(sentences(hidden, found.caller, found.id)),
        tuple(f"{one.what}: assumed empty, because of --assume-none" for one in empty),
        tuple(notes(found)),
    )


def read_sentence(found: ProjectSnapshot) -> str:
    """What was read, as whom."""
    visible = sum(members is not None for members in found.groups.values())
    parts = [
        counted(len(found.buckets), "bucket"),
        counted(len(found.accounts), "service account"),
        counted(len(found.roles), "custom role"),
        counted(len(found.deny or ()), "deny policy").replace("policys", "policies"),
        f"{counted(len(found.groups), 'group')} ({visible} with members)" if found.groups else "",
        f"cluster {found.cluster[0]}" if found.cluster else "",
        counted(sum(len(one.objects or ()) for one in found.buckets.values()), "placeholder"),
    ]
    kept = [part for part in parts if part and not part.startswith(("0 placeholder", "0 custom", "0 deny"))]
    who = f" as {found.caller}" if found.caller else ""
    return f"Read project {found.id}{who}: {listed(kept, len(kept))}."


def notes(found: ProjectSnapshot) -> Iterator[str]:
    """What the lab does differently from the project."""
    if not found.caller:
        yield "Google does not say who you are, so the lab's user is user:you@example.com: edit `user`."
    if not found.number:
        yield f"The project's number is unknown, so the lab uses {NUMBER}: edit `number`."
    for names, text in (
        (pays(found), "requester pays: on Google Cloud, calls need a billing project. The lab does not bill"),
        (acls(found), "has ACLs, which are not imported: access that only an ACL could grant is UNKNOWN"),
    ):
        if names:
            yield f"{listed(names)}: {text}."
    if off := [address for address, one in found.accounts.items() if one.disabled]:
        yield f"{listed(off)}: disabled in the project, but usable in the lab."
    job = job_of(found)
    if is_custom_account(job) and found.all_accounts and job not in found.accounts:
        yield f"The cluster's jobs run as {job}, which is not an account of this project."


def pays(found: ProjectSnapshot) -> list[str]:
    """The buckets whose requester pays."""
    return [f"gs://{name}" for name, one in sorted(found.buckets.items()) if one.requester_pays]


def acls(found: ProjectSnapshot) -> list[str]:
    """The buckets whose objects may have ACLs."""
    return [f"gs://{name}" for name, one in sorted(found.buckets.items()) if one.access and one.access.acls]
