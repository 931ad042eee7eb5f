"""The parts of a project that an import reads, and what shows those that it could not read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ORGANIZATION = "the organization"


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of part: the permission that reads it, and Google's narrowest role with that permission.

    where: the resource on which an administrator grants the role: "" for the project, else in words
    """

    permission: str
    role: str
    where: str = ""


REVIEWER = "roles/iam.securityReviewer"
PROJECT = Part("resourcemanager.projects.get", "roles/browser")
PROJECT_POLICY = Part("resourcemanager.projects.getIamPolicy", REVIEWER)
DENY = Part("iam.denypolicies.list", "roles/iam.denyReviewer", ORGANIZATION)
DENY_RULES = Part("iam.denypolicies.get", "roles/iam.denyReviewer", ORGANIZATION)
INHERITED = Part("resourcemanager.folders.getIamPolicy", REVIEWER, ORGANIZATION)
BUCKETS = Part("storage.buckets.list", "roles/storage.bucketViewer")
METADATA = Part("storage.buckets.get", "roles/storage.bucketViewer")
BUCKET_POLICY = Part("storage.buckets.getIamPolicy", REVIEWER)
OBJECTS = Part("storage.objects.list", "roles/storage.objectViewer", "the bucket")
ACCOUNTS = Part("iam.serviceAccounts.list", REVIEWER)
ACCOUNT_POLICY = Part("iam.serviceAccounts.getIamPolicy", REVIEWER)
ROLE = Part("iam.roles.get", "roles/iam.roleViewer")
GROUP = Part("", "")  # the group's own settings decide who can see its members


@dataclass(frozen=True, slots=True)
class Hidden:
    """Something that could not be read, such as "the policy of gs://x", and the reason if it is not a permission."""

    part: Part
    what: str
    why: str = ""


def sentences(hidden: Iterable[Hidden], caller: str, project: str) -> Iterator[str]:
    """One sentence for each kind of part and reason: what is hidden, and what would show it."""
    groups: dict[tuple[Part, str], list[str]] = {}
    for one in hidden:
        groups.setdefault((one.part, one.why), []).append(one.what)
    for (part, why), names in groups.items():
        yield f"{listed(sorted(set(names)))}: {why or remedy(part, caller, project)}"


def remedy(part: Part, caller: str, project: str) -> str:
    """What would show a part that the caller may not read."""
    if not part.permission:
        return "only the group's members, or its administrators, can see its members"
    needs = f"needs {part.permission}"
    if part.where:
        return f"{needs}, which {part.role} on {part.where} includes"
    member = caller or "MEMBER"
    return f"{needs}: gcloud projects add-iam-policy-binding {project} --member={member} --role={part.role}"


def listed(names: list[str], most: int = 3) -> str:
    """The names in words: all of a few, otherwise the first ones and the number of the others."""
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
