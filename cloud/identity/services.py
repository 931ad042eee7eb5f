"""Google's services other than Cloud Storage, limited to identities and permissions, as JSON over HTTP.

cloudresourcemanager   projects and their policies: v1 and v3
iam                    service accounts and their policies: v1; deny policies: v2
iamcredentials         access tokens for custom service accounts: v1
oauth2                 information about a token; access tokens for the user, for the gateway's key
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from cloud.google_errors import DISK_FULL, ApiError, bad_token, denied_elsewhere, is_full, service_error
from cloud.identity.access import Access
from cloud.identity.policies import PolicyResource
from cloud.identity.tokens import BadToken
from cloud.json_body import read_json
from cloud.lab_state import PolicyHolder
from cloud.network import missing_services
from iam.policy import resource as resources
from iam.policy.principal import ANONYMOUS, email, is_custom_account, is_service_agent, normal

LONGEST_FORM = 2**16  # bytes
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LONGEST = 3600.0  # maximum lifetime of a service account's token, in seconds
ACCOUNT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")

Body = Mapping[str, Any]
Handler = Callable[["GoogleServices", str, Body, Mapping[str, str]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class GoogleServices:
    """All of these services; a request selects one by its host."""

    access: Access
    is_key: Callable[[str], bool] = lambda text: False  # whether it is the gateway's key

    async def handle(self, request: web.Request, host: str, raw: str = "") -> web.StreamResponse:
        """Handle any request to one of the hosts. `raw` replaces the request's path."""
        path = unquote(raw or request.raw_path.partition("?")[0])
        try:
            if host not in HOSTS:
                raise missing_services.not_implemented(host)
            if host == "oauth2.googleapis.com" and path == "/token":
                return await self.refresh(request)
            if host == "oauth2.googleapis.com" or path.startswith(("/oauth2/", "/tokeninfo")):
                return web.json_response(await self.token_info(request))
            principal = self.access.caller(request)
            if principal == ANONYMOUS:
                raise bad_token()
            body = await read_json(request.content.iter_any(), request.headers.get("Content-Encoding", ""))
            for method, pattern, handler in ROUTES.get(host, ()):
                found = re.fullmatch(pattern, path)
                if found and method == request.method:
                    return web.json_response(await handler(self, principal, body, found.groupdict()))
            raise ApiError(404, "notFound", f"The lab's {host} has no {request.method} {path}.")
        except ApiError as refusal:
            return service_error(refusal)
        except OSError as fault:
            if not is_full(fault):
                raise
            return service_error(ApiError(507, "insufficientStorage", DISK_FULL))

    # cloudresourcemanager

    async def project(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """https://cloud.google.com/resource-manager/reference/rest/v3/projects/get; the lab's have no parent."""
        project = self.require_project(names["project"], principal, "resourcemanager.projects.get")
        number = str(self.access.lab_state.number(project))
        if names["version"] == "v1":
            return {
                "projectId": project,
                "projectNumber": number,
                "lifecycleState": "ACTIVE",
                "name": project,
            }
        return {"name": f"projects/{number}", "projectId": project, "state": "ACTIVE", "displayName": project}

    async def project_policy(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """Get, set or test a project's policy."""
        permission = "resourcemanager.projects.getIamPolicy"
        test = names["verb"] == "testIamPermissions"
        project = self.require_project(names["project"], principal, "" if test else permission)
        resource = PolicyResource(
            self.access,
            resources.project(project),
            self.access.lab_state.projects[project],
            "resourcemanager.projects",
        )
        return resource.answer(principal, names["verb"], body)

    def require_project(self, name: str, principal: str, permission: str) -> str:
        """The project's id. Raises ApiError (403) for a project that does not exist or that the caller can't see."""
        project = self.access.lab_state.project_named(name)
        if not project:
            raise denied_elsewhere(permission or "resourcemanager.projects.get", f"projects/{name}")
        if permission:
            self.access.require_project(principal, permission, project)
        return project

    # iam

    async def accounts(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """List a project's service accounts."""
        project = self.require_project(names["project"], principal, "iam.serviceAccounts.list")
        held = {a: h for a, h in self.access.lab_state.accounts.items() if h.project == project}
        return {"accounts": [self.account_resource(a, h) for a, h in held.items()]} if held else {}

    async def create_account(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """Create a service account. Raises ApiError: 400 for an invalid id, 409 if it already exists."""
        project = self.require_project(names["project"], principal, "iam.serviceAccounts.create")
        name = str(body.get("accountId") or "")
        if not ACCOUNT_ID.fullmatch(name):
            raise ApiError(
                400, "invalid", f"Invalid account ID '{name}': 6 to 30 characters of a-z, 0-9 and dashes."
            )
        address = f"{name}@{project}.iam.gserviceaccount.com"
        if address in self.access.lab_state.accounts:
            raise ApiError(
                409, "conflict", f"Service account {name} already exists within project projects/{project}."
            )
        holder = PolicyHolder(project, {"version": 1, "bindings": []})
        self.access.lab_state.accounts[address] = holder
        self.access.lab_state.save()
        return self.account_resource(address, holder)

    async def account(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """Get a service account."""
        address, holder = self.require_account(names["account"], principal, "iam.serviceAccounts.get")
        return self.account_resource(address, holder)

    async def delete_account(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """Delete a service account. Its bindings remain, with `deleted:` members, as on Google Cloud."""
        address, _ = self.require_account(names["account"], principal, "iam.serviceAccounts.delete")
        lab_state = self.access.lab_state
        del lab_state.accounts[address]
        member, deleted = f"serviceAccount:{address}", f"deleted:serviceAccount:{address}?uid=1"
        for holder in (
            *lab_state.projects.values(),
            *lab_state.buckets.values(),
            *lab_state.accounts.values(),
        ):
            for binding in holder.policy.get("bindings", ()):
                binding["members"] = [deleted if normal(one) == member else one for one in binding["members"]]
            holder.revision += 1
        lab_state.deleted[member] = self.access.tokens.clock()
        lab_state.save()
        return {}

    async def account_policy(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """Get, set or test a service account's policy."""
        address, holder = self.require_account(names["account"], principal, "")
        resource = resources.service_account(address, holder.project)
        return PolicyResource(self.access, resource, holder, "iam.serviceAccounts").answer(
            principal, names["verb"], body
        )

    async def deny_policies(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """Without the rules: https://cloud.google.com/iam/docs/reference/rest/v2/policies/listPolicies"""
        project = self.require_project(names["project"], principal, "iam.denypolicies.list")
        count = len(self.access.lab_state.deny.get(project) or ())
        where = f"policies/cloudresourcemanager.googleapis.com%2Fprojects%2F{project}/denypolicies"
        return (
            {"policies": [{"name": f"{where}/{n}", "kind": "DenyPolicy"} for n in range(count)]}
            if count
            else {}
        )

    async def deny_policy(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """Get a deny policy. Raises ApiError (404) if there is none of that number."""
        project = self.require_project(names["project"], principal, "iam.denypolicies.get")
        documents = self.access.lab_state.deny.get(project) or []
        if int(names["number"]) >= len(documents):
            raise ApiError(404, "notFound", f"Deny policy {names['number']} was not found.")
        return {"kind": "DenyPolicy", **documents[int(names["number"])]}

    def require_account(self, address: str, principal: str, permission: str) -> tuple[str, PolicyHolder]:
        """A service account. Raises ApiError: 404 if it does not exist, 403 without `permission` (if given)."""
        holder = self.access.lab_state.accounts.get(address)
        if holder is None:
            raise ApiError(404, "notFound", f"Unknown service account: {address}")
        if permission:
            self.access.require(principal, permission, resources.service_account(address, holder.project))
        return address, holder

    def account_resource(self, address: str, holder: PolicyHolder) -> dict[str, Any]:
        """A service account in the form of the IAM API."""
        name = f"projects/{holder.project}/serviceAccounts/{address}"
        return {
            "name": name,
            "projectId": holder.project,
            "email": address,
            "uniqueId": "1",
            "etag": holder.etag,
        }

    # iamcredentials

    async def access_token(self, principal: str, body: Body, names: Mapping[str, str]) -> Any:
        """Mint a token for a custom service account. Raises ApiError (403) for a service agent.

        The caller needs iam.serviceAccounts.getAccessToken on the account or its project.
        """
        address = names["account"]
        permission = "iam.serviceAccounts.getAccessToken"
        holder = self.access.lab_state.accounts.get(address)
        if holder is None or is_service_agent(address) or not is_custom_account(address):
            raise denied_elsewhere(permission, f"projects/-/serviceAccounts/{address}")
        self.access.require(principal, permission, resources.service_account(address, holder.project))
        lifetime = seconds(body.get("lifetime") or f"{LONGEST:.0f}s")
        token, expires = self.access.tokens.mint(
            f"serviceAccount:{address}", min(lifetime, self.access.tokens.lifetime)
        )
        return {"accessToken": token, "expireTime": rfc3339(expires)}

    # oauth2

    async def refresh(self, request: web.Request) -> web.Response:
        """An access token for the user, whose refresh token is the gateway's key (RFC 6749, sections 5 and 6)."""
        form = await form_of(request)
        if form.get("grant_type") != "refresh_token" or not self.is_key(str(form.get("refresh_token"))):
            fault = {
                "error": "invalid_grant",
                "error_description": "The refresh token is not the cluster's key.",
            }
            return web.json_response(fault, status=400)
        token, expires = self.access.tokens.mint(self.access.lab_state.person)
        lifetime = max(1, int(expires - self.access.tokens.clock()))
        body = {"access_token": token, "expires_in": lifetime, "scope": SCOPE, "token_type": "Bearer"}
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    async def token_info(self, request: web.Request) -> Any:
        """tokeninfo and userinfo: https://cloud.google.com/docs/authentication/token-types"""
        parameters = dict(request.query) | (await form_of(request) if request.method == "POST" else {})
        bearer = request.headers.get("Authorization", "").partition(" ")[2]
        try:
            claims = self.access.tokens.claims(str(parameters.get("access_token") or bearer))
        except BadToken:
            raise ApiError(400, "invalid", "Invalid Value") from None
        expires = float(str(claims["expires"]))
        expires_in = int(expires - self.access.tokens.clock())
        address = email(str(claims["principal"]))
        return {
            "email": address,
            "email_verified": "true",
            "exp": str(int(expires)),
            "expires_in": expires_in,
            "scope": SCOPE,
        }


PROJECT = r"/(?P<version>v1|v3)/projects/(?P<project>[^/:]+)"
ACCOUNTS = r"/v1/projects/(?P<project>[^/:]+)/serviceAccounts"
DENY = r"/v2/policies/cloudresourcemanager\.googleapis\.com/projects/(?P<project>[^/]+)/denypolicies"
ACCOUNT = rf"{ACCOUNTS}/(?P<account>[^/:]+)"
ROUTES: Mapping[str, tuple[tuple[str, str, Handler], ...]] = {
    "cloudresourcemanager.googleapis.com": (
        ("GET", PROJECT, GoogleServices.project),
        ("POST", rf"{PROJECT}:(?P<verb>\w+)", GoogleServices.project_policy),
    ),
    "iam.googleapis.com": (
        ("GET", ACCOUNTS, GoogleServices.accounts),
        ("POST", ACCOUNTS, GoogleServices.create_account),
        ("GET", ACCOUNT, GoogleServices.account),
        ("DELETE", ACCOUNT, GoogleServices.delete_account),
        ("POST", rf"{ACCOUNT}:(?P<verb>\w+)", GoogleServices.account_policy),
        ("GET", DENY, GoogleServices.deny_policies),
        ("GET", rf"{DENY}/(?P<number>[0-9]{{1,4}})", GoogleServices.deny_policy),
    ),
    "iamcredentials.googleapis.com": (
        ("POST", rf"{ACCOUNT}:generateAccessToken", GoogleServices.access_token),
    ),
}


HOSTS = frozenset({"oauth2.googleapis.com", "www.googleapis.com", *ROUTES})


async def form_of(request: web.Request) -> dict[str, Any]:
    """A request's form. Raises ApiError (400) if the body is not a form."""
    try:
        return dict(await request.clone(client_max_size=LONGEST_FORM).post())
    except (ValueError, LookupError, RuntimeError, AssertionError, web.HTTPException):
        raise ApiError(400, "invalid", "The body is not a form.") from None


def seconds(duration: Any) -> float:
    """A token's lifetime in seconds, from a JSON duration such as "300s". Raises ApiError (400) if invalid."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s", duration) if isinstance(duration, str) else None
    if not found or not 0 < float(found[1]) <= LONGEST:
        raise ApiError(
            400, "invalid", f"Invalid value for lifetime: it must be over 0s and at most {LONGEST:.0f}s."
        )
    return float(found[1])


def rfc3339(seconds: float) -> str:
    """A Unix time in RFC 3339 format."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
