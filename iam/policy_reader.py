"""Read identities and policies from the lab or from Google Cloud, over plain HTTP.

Importing the client libraries would take longer than the whole check (google-cloud-storage: 0.6 s).
None means that the caller may not read something. A missing resource or an unreachable service raises an error.
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
from raydock.terminal.commandline import near

CREDENTIALS = "iamcredentials.googleapis.com"
TIMEOUT = 10.0  # seconds per call
PROJECTS = "cloudresourcemanager.googleapis.com"
RETRIED = frozenset({429, 500, 502, 503, 504})  # HTTP statuses
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Project:
    """A project's id, and whether a folder or an organization contains it."""

    id: str
    has_parent: bool


@dataclass(slots=True)
class PolicyReader:
    """Reads from one cloud with one token. `client` is an httpx.AsyncClient."""

    client: Any
    cloud: GoogleCloud
    token: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def bucket_policy(self, bucket: str) -> Policy | None:
        """The bucket's policy. Raises NotFound if the bucket does not exist."""
        reply = await self.get(STORAGE, f"/storage/v1/b/{quote(bucket)}/iam?optionsRequestedPolicyVersion=3")
        return parse_policy(reply, f"gs://{bucket}")

    async def similar_bucket(self, bucket: str) -> str:
        """The bucket whose name is most similar; "" if there is none or the names can't be listed."""
        try:
            return near(bucket, await self.cloud.buckets(self.client))
        except (PermissionDenied, Unreachable):
            return ""

    async def bucket_project(self, bucket: str) -> str | None:
        """The number of the bucket's project."""
        reply = await self.get(STORAGE, f"/storage/v1/b/{quote(bucket)}?fields=projectNumber")
        return text_of(reply, "projectNumber", STORAGE) if reply else None

    async def project(self, project: str) -> Project | None:
        """A project by its id or number."""
        reply = await self.get(PROJECTS, f"/v3/projects/{quote(project)}")
        return Project(text_of(reply, "projectId", PROJECTS), bool(reply.get("parent"))) if reply else None

    async def project_policy(self, project: str) -> Policy | None:
        """The policy of a project, by its id or number."""
        body = {"options": {"requestedPolicyVersion": 3}}
        reply = await self.call("POST", PROJECTS, f"/v3/projects/{quote(project)}:getIamPolicy", body)
        return parse_policy(reply, f"project {project}")

    async def service_account_policy(self, address: str) -> Policy | None:
        """Who may act as a service account. Raises NotFound if the account does not exist."""
        path = f"/v1/projects/-/serviceAccounts/{quote(address)}:getIamPolicy"
        reply = await self.call("POST", "iam.googleapis.com", path, {})
        return parse_policy(reply, address)

    async def deny_rules(self, project: str) -> tuple[DenyRule, ...] | None:
        """The deny rules attached to the project itself, not those of its folders or organization."""
        host = "iam.googleapis.com"
        attachment = quote(f"cloudresourcemanager.googleapis.com/projects/{project}", safe="")
        listed = await self.get(host, f"/v2/policies/{attachment}/denypolicies")
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
        """The subset of the permissions that the token's principal has on the bucket as a whole."""
        query = "&".join(f"permissions={quote(permission)}" for permission in sorted(permissions))
        reply = await self.get(STORAGE, f"/storage/v1/b/{quote(bucket)}/iam/testPermissions?{query}")
        return frozenset(texts((reply or {}).get("permissions")))

    async def there(self, bucket: str, name: str, prefix: bool = False) -> bool | None:
        """Whether an object or a folder with that name exists; with `prefix`, an object whose name starts with it.

        None if the caller may not see it.
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
            reply = await self.get(
                STORAGE, f"{objects}?prefix={quote(name, safe='')}&maxResults=1&fields=items/name"
            )
        except NotFound:
            return False
        except (PermissionDenied, Unreachable):
            return None
        return None if reply is None else bool(reply.get("items"))

    async def impersonate(self, address: str) -> PolicyReader | None:
        """Return a reader that acts as the service account; None if the caller may not create tokens for it."""
        body = {"scope": [SCOPE], "lifetime": "300s"}
        path = f"/v1/projects/-/serviceAccounts/{quote(address)}:generateAccessToken"
        try:
            reply = await self.call("POST", CREDENTIALS, path, body)
        except NotFound:
            return None
        if not reply:
            return None
        return PolicyReader(self.client, self.cloud, text_of(reply, "accessToken", CREDENTIALS))

    async def get(self, host: str, path: str) -> Mapping[str, Any] | None:
        """GET a path, as `call` does."""
        return await self.call("GET", host, path)

    async def call(self, method: str, host: str, path: str, body: Any = None) -> Mapping[str, Any] | None:
        """Return the JSON of a reply, None for a 403. Tries ATTEMPTS times.

        Raises NotFound, PermissionDenied (401) and Unreachable.
        """
        import asyncio

        import httpx

        from raydock.rayapi import no_answer

        for attempt in range(ATTEMPTS):
            try:
                reply = await self.client.request(
                    method,
                    self.cloud.base(host) + path,
                    json=body,
                    headers={"Authorization": f"Bearer {self.token}", **self.headers},
                    timeout=TIMEOUT,
                )
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
                if attempt + 1 == ATTEMPTS:
                    raise Unreachable(
                        f"{host} does not answer: {no_answer.reason(fault, TIMEOUT)}.", "try again"
                    ) from None
            else:
                if reply.status_code not in RETRIED or attempt + 1 == ATTEMPTS:
                    return json_of(reply, host)
            await asyncio.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")


def json_of(reply: Any, host: str) -> Mapping[str, Any] | None:
    """The JSON of a reply, None for a 403. Raises what `PolicyReader.call` raises."""
    if reply.status_code == 403:
        return None
    if reply.status_code == 404:
        raise NotFound(sentence_of(reply.content))
    if reply.status_code == 401:
        raise PermissionDenied(f"{host} rejected your credentials.", "gcloud auth application-default login")
    if reply.status_code >= 400:
        raise Unreachable(f"{host} returned {reply.status_code}: {sentence_of(reply.content)}", "try again")
    return object_of(reply, host)


def parse_policy(document: Mapping[str, Any] | None, where: str) -> Policy | None:
    """Parse a service's reply. Raises IamError, with the resource's name."""
    try:
        return policy_from_json(document) if document is not None else None
    except MalformedPolicy as fault:
        raise IamError(f"Could not parse the policy of {where}: {fault.message}", fault.fix) from None
