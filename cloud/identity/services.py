"""Google's services other than Cloud Storage, limited to identities and permissions, as JSON over HTTP.

cloudresourcemanager   projects and their policies: v1 and v3
iam                    service accounts and their policies: v1; deny policies: v2
iamcredentials         access tokens for custom service accounts: v1
oauth2                 information about a token; access tokens for the user, for the gateway's key
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from cloud.google_errors import DISK_FULL, ApiError, bad_token, is_full, service_error
from cloud.identity import custom_roles, projects, service_accounts
from cloud.identity.access import Access
from cloud.identity.projects import Body, Names
from cloud.identity.tokens import BadToken
from cloud.json_body import read_json
from cloud.network import missing_services
from iam.policy.principal import ANONYMOUS, email

LONGEST_FORM = 2**16  # bytes
SCOPE = "https://www.googleapis.com/auth/cloud-platform"

Handler = Callable[[Access, str, Body, Names], Awaitable[Any]]


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
                    return web.json_response(await handler(self.access, principal, body, found.groupdict()))
            raise ApiError(404, "notFound", f"The lab's {host} does not support {request.method} {path}.")
        except ApiError as refusal:
            return service_error(refusal)
        except OSError as fault:
            if not is_full(fault):
                raise
            return service_error(ApiError(507, "insufficientStorage", DISK_FULL))

    async def refresh(self, request: web.Request) -> web.Response:
        """An access token for the user, whose refresh token is the gateway's key (RFC 6749, sections 5 and 6)."""
        form = await form_of(request)
        if form.get("grant_type") != "refresh_token" or not self.is_key(str(form.get("refresh_token"))):
            fault = {
                "error": "invalid_grant",
                "error_description": "The refresh token is not the cluster's key.",
            }
            return web.json_response(fault, status=400)
        token, expires = self.access.tokens.mint(self.access.lab_state.user)
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
        ("GET", "/v1/projects", projects.list_projects),
        ("GET", PROJECT, projects.project),
        ("POST", rf"{PROJECT}:(?P<verb>\w+)", projects.project_policy),
    ),
    "iam.googleapis.com": (
        ("GET", ACCOUNTS, service_accounts.accounts),
        ("POST", ACCOUNTS, service_accounts.create_account),
        ("GET", ACCOUNT, service_accounts.account),
        ("DELETE", ACCOUNT, service_accounts.delete_account),
        ("POST", rf"{ACCOUNT}:(?P<verb>\w+)", service_accounts.account_policy),
        ("GET", r"/v1/projects/(?P<project>[^/:]+)/roles/(?P<role>[^/:]+)", custom_roles.role),
        ("GET", DENY, projects.deny_policies),
        ("GET", rf"{DENY}/(?P<number>[0-9]{{1,4}})", projects.deny_policy),
    ),
    "iamcredentials.googleapis.com": (
        ("POST", rf"{ACCOUNT}:generateAccessToken", service_accounts.access_token),
    ),
}


HOSTS = frozenset({"oauth2.googleapis.com", "www.googleapis.com", *ROUTES})


async def form_of(request: web.Request) -> dict[str, Any]:
    """A request's form. Raises ApiError (400) if the body is not a form."""
    try:
        return dict(await request.clone(client_max_size=LONGEST_FORM).post())
    except (ValueError, LookupError, RuntimeError, AssertionError, web.HTTPException):
        raise ApiError(400, "invalid", "The body is not a form.") from None
