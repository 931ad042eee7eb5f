"""Principals, in the forms that Google's policies use.

https://cloud.google.com/iam/docs/principal-identifiers (v1 in allow policies, v2 in deny policies)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from iam.errors import MalformedPrincipal

ANONYMOUS = "allUsers"  # the principal of a request without credentials
EVERYONE = "allUsers"
AUTHENTICATED = "allAuthenticatedUsers"

WITH_EMAIL = ("user", "serviceAccount", "group")
CONVENIENCE = {
    "projectOwner": "roles/owner",
    "projectEditor": "roles/editor",
    "projectViewer": "roles/viewer",
}
FORMS = (
    "user:EMAIL, serviceAccount:EMAIL, group:EMAIL, domain:DOMAIN, allUsers, allAuthenticatedUsers, "
    "projectOwner:PROJECT, projectEditor:PROJECT, projectViewer:PROJECT, principal://…, principalSet://… "
    "or deleted:…"
)

EMAIL = re.compile(r"[^\s@:/]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
WORKLOAD = re.compile(r"serviceAccount:[a-z0-9.:-]+\.svc\.id\.goog\[[^\s/\]]+/[^\s/\]]+\]")  # a GKE workload
DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+")
PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]*")
V2_PREFIXES = {  # deny policies write the same principals in the v2 form
    "principal://goog/subject/": "user:",
    "principalSet://goog/group/": "group:",
    "principal://iam.googleapis.com/projects/-/serviceAccounts/": "serviceAccount:",
}
# Google-managed projects whose accounts are service agents: https://cloud.google.com/iam/docs/service-agents
AGENT_PROJECTS = re.compile(
    r"gcp-sa-[a-z0-9-]+|gcp-gae-service|gcf-admin-robot|compute-system|container-engine-robot|containerregistry"
    r"|container-analysis|serverless-robot-prod|gs-project-accounts|dataproc-accounts|dataflow-service-producer-prod"
    r"|cloudcomposer-accounts|cloud-tpu|cloud-redis|cloud-filer|cloud-memcache-sa|bigquery-encryption"
    r"|endpoints-portal|firebase-rules|service-networking|service-consumer-management|sourcerepo-service-accounts"
    r"|remotebuildexecution|[a-z0-9-]+\.google\.com"
)
AGENT_EMAIL = re.compile(
    rf"[a-z0-9-]+@(?:{AGENT_PROJECTS.pattern})\.iam\.gserviceaccount\.com|[0-9]+@cloudservices\.gserviceaccount\.com"
)
ACCOUNT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
CUSTOM_EMAIL = re.compile(r"[a-z][a-z0-9-]*@[a-z0-9][a-z0-9.-]*\.iam\.gserviceaccount\.com")


@dataclass(frozen=True, slots=True)
class Principal:
    """The two parts of a member string; `value` is empty for allUsers and allAuthenticatedUsers."""

    kind: str
    value: str = ""

    def __str__(self) -> str:
        if not self.value:
            return self.kind
        return self.kind + ("" if self.kind.endswith("://") else ":") + self.value


def parse(member: str) -> Principal:
    """Parse a member string. Raises MalformedPrincipal, with the expected forms."""
    if member in (EVERYONE, AUTHENTICATED):
        return Principal(member)
    for scheme in ("principal://", "principalSet://"):
        if member.startswith(scheme) and "/" in member[len(scheme) :].strip("/"):
            return Principal(scheme, member[len(scheme) :])
    kind, colon, value = member.partition(":")
    if kind == "deleted" and value and not value.startswith("deleted:"):
        parse(value.partition("?uid=")[0])
        return Principal(kind, value)
    if colon and _value_fits(kind, value):
        return Principal(kind, value)
    raise _malformed(member, kind, value)


def _value_fits(kind: str, value: str) -> bool:
    if kind in WITH_EMAIL:
        return EMAIL.fullmatch(value) is not None or WORKLOAD.fullmatch(f"{kind}:{value}") is not None
    if kind in CONVENIENCE:
        return PROJECT.fullmatch(value) is not None
    return kind == "domain" and DOMAIN.fullmatch(value) is not None


def _malformed(member: str, kind: str, value: str) -> MalformedPrincipal:
    if kind in (*WITH_EMAIL, "domain", *CONVENIENCE):
        wanted = (
            "an email address" if kind in WITH_EMAIL else "a domain" if kind == "domain" else "a project id"
        )
        return MalformedPrincipal(
            f'Invalid principal "{member}": expected {wanted} after "{kind}:", not "{value}".'
        )
    if EMAIL.fullmatch(member):
        kind = "serviceAccount" if member.endswith("gserviceaccount.com") else "user"
        return MalformedPrincipal(
            f'Invalid principal "{member}": the type prefix is missing.', f"Write {kind}:{member}"
        )
    kinds = {k.lower(): k for k in (*WITH_EMAIL, "domain", EVERYONE, AUTHENTICATED, *CONVENIENCE, "deleted")}
    near = get_close_matches(kind.lower(), kinds, n=1)
    hint = f" Did you mean {kinds[near[0]]}?" if near and kinds[near[0]] != kind else ""
    return MalformedPrincipal(f'Invalid principal "{member}": expected {FORMS}.{hint}')


def normal(member: str) -> str:
    """Normalize a member string: v2 identifiers become v1, addresses and domains become lowercase."""
    for long, short in V2_PREFIXES.items():
        if member.startswith(long):
            member = short + member[len(long) :]
    if member == "principalSet://goog/public:all":
        return EVERYONE
    kind, _, value = member.partition(":")
    return f"{kind}:{value.lower()}" if kind in (*WITH_EMAIL, "domain") else member


def email(principal: str) -> str:
    """The address of a user:, serviceAccount: or group: principal, in lowercase; "" for every other kind."""
    kind, _, value = normal(principal).partition(":")
    return value if kind in WITH_EMAIL else ""


def is_service_agent(address: str) -> bool:
    """Whether an address, with or without its type prefix, is a service agent. No one can impersonate those."""
    return AGENT_EMAIL.fullmatch(address.lower().removeprefix("serviceaccount:")) is not None


def code_agent(number: str) -> str:
    """The address of the Vertex AI Custom Code Service Agent of the project with that number.

    https://cloud.google.com/iam/docs/service-agents
    """
    return f"service-{number}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"


def wrong_account_id(name: str) -> str:
    """Why a service account can't be created with this id, or "".

    https://cloud.google.com/iam/docs/service-accounts-create
    """
    if ACCOUNT_ID.fullmatch(name):
        return ""
    if not 6 <= len(name) <= 30:
        return f"it has {len(name)} characters; 6 to 30 are allowed"
    return "use lowercase letters, digits and '-', starting with a letter and not ending with '-'"


def is_custom_account(address: str) -> bool:
    """Whether an address is a service account that was created in a project (NAME@PROJECT.iam.gserviceaccount.com)."""
    address = address.lower().removeprefix("serviceaccount:")
    return CUSTOM_EMAIL.fullmatch(address) is not None and not is_service_agent(address)
