"""Asks a Google Cloud about identities and policies: the few reads that a check needs, as plain HTTP.

The client libraries would take longer to import than the whole check takes (google-cloud-storage: 0.6 s).
None means that the caller may not see it; what does not exist, and what does not answer, is raised.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from iam.errors import IamError, MalformedPolicy
from iam.policy.policies import DenyRule, Policy, deny_from_json, policy_from_json
from raydock.answers import rows, texts
from raydock.errors import NotFound, PermissionDenied, Unreachable
from raydock.gcp.clouds import SCOPE, STORAGE, GoogleCloud, object_of, sentence_of, text_of

CREDENTIALS = "iamcredentials.googleapis.com"
SECONDS = 10.0
PROJECTS = "cloudresourcemanager.googleapis.com"
AGAIN = frozenset({429, 500, 502, 503, 504})
TRIES = 3


@dataclass(frozen=True, slots=True)
class Project:
    """A project's id, and whether folders or an organisation lie above it."""

    id: str
    has_parent: bool


@dataclass(slots=True)
class PolicyReader:
    """Asks one place with one token. `client` is an httpx.AsyncClient."""

    client: Any
    place: GoogleCloud
    token: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def bucket_policy(self, bucket: str) -> Policy | None:
        """NotFound for a bucket that does not exist."""
        told = await self.get(STORAGE, f"/storage/v1/b/{quote(bucket)}/iam?optionsRequestedPolicyVersion=3")
        return read_policy(told, f"gs://{bucket}")

    async def bucket_project(self, bucket: str) -> str | None:
        """The number of the bucket's project."""
        told = await self.get(STORAGE, f"/storage/v1/b/{quote(bucket)}?fields=projectNumber")
        return text_of(told, "projectNumber", STORAGE) if told else None

    async def project(self, project: str) -> Project | None:
        """A project by its id or number."""
        told = await self.get(PROJECTS, f"/v3/projects/{quote(project)}")
        return Project(text_of(told, "projectId", PROJECTS), bool(told.get("parent"))) if told else None

    async def project_policy(self, project: str) -> Policy | None:
        body = {"options": {"requestedPolicyVersion": 3}}
        told = await self.call("POST", PROJECTS, f"/v3/projects/{quote(project)}:getIamPolicy", body)
        return read_policy(told, f"project {project}")

    async def deny_rules(self, project: str) -> tuple[DenyRule, ...] | None:
        """The deny rules that are attached to the project itself."""
        host, where = (
            "iam.googleapis.com",
            quote(f"cloudresourcemanager.googleapis.com/projects/{project}", safe=""),
        )
        listed = await self.get(host, f"/v2/policies/{where}/denypolicies")
        if listed is None:
            return None
        rules: list[DenyRule] = []
        for policy in rows(listed.get("policies")):
            document = await self.get(host, f"/v2/{quote(text_of(policy, 'name', host), safe='/%')}")
            if document is None:
                return None
            rules += deny_from_json({"rules": document.get("rules") or []})
        return tuple(rules)

    async def held(self, bucket: str, permissions: Collection[str]) -> frozenset[str]:
        """Those of the permissions that the token's principal has on the bucket as a whole."""
        query = "&".join(f"permissions={quote(permission)}" for permission in sorted(permissions))
        told = await self.get(STORAGE, f"/storage/v1/b/{quote(bucket)}/iam/testPermissions?{query}")
        return frozenset(texts((told or {}).get("permissions")))

    async def there(self, bucket: str, name: str, prefix: bool = False) -> bool | None:
        """Is there an object of that name or below it as a folder, or one whose name begins so?

        None where the caller may not see it.
        """
        objects = f"/storage/v1/b/{quote(bucket)}/o"
        try:
            if (
                not prefix
                and await self.get(STORAGE, f"{objects}/{quote(name, safe='')}?fields=name") is None
            ):
                return None
            if not prefix:
                return True
        except NotFound:
            name = f"{name}/"
        except (PermissionDenied, Unreachable):
            return None
        try:
            told = await self.get(
                STORAGE, f"{objects}?prefix={quote(name, safe='')}&maxResults=1&fields=items/name"
            )
        except NotFound:
            return False
        except (PermissionDenied, Unreachable):
            return None
        return None if told is None else bool(told.get("items"))

    async def impersonate(self, address: str) -> PolicyReader | None:
        """The same, as that service account; None where the caller may not make tokens for it."""
        body = {"scope": [SCOPE], "lifetime": "300s"}
        path = f"/v1/projects/-/serviceAccounts/{quote(address)}:generateAccessToken"
        try:
            told = await self.call("POST", CREDENTIALS, path, body)
        except NotFound:
            return None
        return (
            PolicyReader(self.client, self.place, text_of(told, "accessToken", CREDENTIALS)) if told else None
        )

    async def get(self, host: str, path: str) -> Mapping[str, Any] | None:
        return await self.call("GET", host, path)

    async def call(self, method: str, host: str, path: str, body: Any = None) -> Mapping[str, Any] | None:
        """The answer's JSON; None for a 403. NotFound, Refused (401, a service that is off), Unreachable."""
        import asyncio

        import httpx

        for attempt in range(TRIES):
            try:
                reply = await self.client.request(
                    method,
                    self.place.base(host) + path,
                    json=body,
                    headers={"Authorization": f"Bearer {self.token}", **self.headers},
                    timeout=SECONDS,
                )
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
                if attempt + 1 == TRIES:
                    raise Unreachable(
                        f"{host} does not answer: {type(fault).__name__}.", "try again"
                    ) from None
            else:
                if reply.status_code not in AGAIN or attempt + 1 == TRIES:
                    return answer_of(reply, host)
            await asyncio.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")


def answer_of(reply: Any, host: str) -> Mapping[str, Any] | None:
    if reply.status_code == 403:
        return None
    if reply.status_code == 404:
        raise NotFound(sentence_of(reply.content))
    if reply.status_code == 401:
        raise PermissionDenied(
            f"{host} does not take your credentials.", "gcloud auth application-default login"
        )
    if reply.status_code >= 400:
        raise Unreachable(f"{host} answered {reply.status_code}: {sentence_of(reply.content)}", "try again")
    return object_of(reply, host)


def read_policy(told: Mapping[str, Any] | None, where: str) -> Policy | None:
    """The policy that a service sent. MalformedPolicy says whose it is."""
    try:
        return policy_from_json(told) if told is not None else None
    except MalformedPolicy as fault:
        raise IamError(f"The policy of {where} can't be understood: {fault.message}", fault.fix) from None
