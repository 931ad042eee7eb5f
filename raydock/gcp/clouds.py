"""The addresses of Google's services and the caller's credentials, in the lab's cloud or at Google.

Both clouds implement the same protocol, so all other code is shared.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from raydock import event_loop, state
from raydock.answers import mapping, parsed, text
from raydock.errors import NotFound, PermissionDenied, Unreachable
from raydock.faults import COMMAND
from raydock.gcp import lab_api
from raydock.gcp.lab_api import LabRequest, LabResponse
from raydock.settings import setting

STORAGE = "storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LAB = "The lab's cloud"
LOGIN = "gcloud auth application-default login"


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """An identity that a job's code may run as: its principal, or why that is unknown and what to do.

    head: whether the head node, where the job's driver runs, has this identity.
    workload: NAMESPACE/NAME of the Kubernetes service account that acts as the principal; "" outside Kubernetes.
    pool: the workload identity pool of that account; "" if unknown.
    """

    principal: str = ""
    why: str = ""
    fix: str = ""
    head: bool = True
    workload: str = ""
    pool: str = ""


class GoogleCloud(Protocol):
    """A Google Cloud: the lab's or the real one."""

    @property
    def name(self) -> str:
        """Its name on the command line."""
        ...

    def base(self, host: str) -> str:
        """The base URL of a Google service, given its host name."""
        ...

    async def token(self, client: Any) -> str:
        """An access token for the caller. Raises PermissionDenied or Unreachable."""
        ...

    async def identities(self, client: Any) -> Sequence[JobIdentity]:
        """Whom a job's code may run as, the head's identity first. Raises a RaydockError."""
        ...

    async def buckets(self, client: Any) -> Sequence[str]:
        """Names that a misspelt bucket may mean; empty if unknown. Raises a RaydockError."""
        ...

    def headers_of_caller(self) -> Mapping[str, str]:
        """Headers to add to the caller's requests, besides the token."""
        ...


@dataclass(frozen=True, slots=True)
class LabCloud:
    """The lab's cloud, behind the gateway of a local cluster. `headers` contain the cluster's key."""

    gateway: str
    headers: Mapping[str, str]
    name: str = "local"

    def base(self, host: str) -> str:
        """The gateway's path to the emulated service."""
        return f"{self.gateway}/google/{host}"

    async def token(self, client: Any) -> str:
        """An access token for the lab's user. Raises PermissionDenied or Unreachable."""
        return text_of(await self.ask(client, "POST", "/lab/token"), "access_token", LAB)

    async def identities(self, client: Any) -> Sequence[JobIdentity]:
        """The one principal of all jobs in the lab. Raises PermissionDenied or Unreachable."""
        return (JobIdentity(text_of(await self.about(client), "job", LAB)),)

    async def buckets(self, client: Any) -> Sequence[str]:
        """The lab's buckets. Raises PermissionDenied or Unreachable."""
        return tuple(mapping((await self.about(client)).get("buckets")))

    def headers_of_caller(self) -> Mapping[str, str]:
        """Exempts this project's own commands from faults on purpose."""
        return {COMMAND: "1"}

    async def about(self, client: Any) -> Mapping[str, Any]:
        """The lab's user, job principal, project and buckets."""
        return await self.ask(client, "GET", "/lab/")

    async def ask(self, client: Any, method: str, path: str) -> Mapping[str, Any]:
        """Send a request to the lab and return the JSON object of its response.

        Raises PermissionDenied if the key is rejected, and Unreachable for any other failure.
        """
        found = await lab_api.send(client, self.gateway, self.headers, LabRequest(method, path))
        if found.status != 200:
            raise lab_api.no_response(self.gateway, f"it returned {found.status}")
        if not found.body:
            raise Unreachable(f"{LAB} returned something other than a JSON object.", "try again")
        return found.body

    def call(self, request: LabRequest) -> LabResponse:
        """Send a request without an event loop. Returns the response, whatever its status.

        Raises PermissionDenied if the key is rejected, and Unreachable if there is no response.
        """

        async def once() -> LabResponse:
            async with http(self) as client:
                return await lab_api.send(client, self.gateway, self.headers, request)

        return event_loop.run(once())


@dataclass(frozen=True, slots=True)
class RealCloud:
    """Google Cloud itself, called with the application default credentials.

    `account` is the principal that jobs run as; empty if unknown.
    """

    account: str = ""
    name: str = "google"

    def base(self, host: str) -> str:
        """The service's public address."""
        return f"https://{host}"

    async def token(self, client: Any) -> str:
        """A token from the application default credentials. Raises PermissionDenied."""
        return await asyncio.to_thread(default_token)

    async def identities(self, client: Any) -> Sequence[JobIdentity]:
        """The one principal of all jobs, if the target knows it."""
        return (JobIdentity(self.account),)

    async def buckets(self, client: Any) -> Sequence[str]:
        """Unknown: buckets can only be listed by project, and a bucket may be in any project."""
        return ()

    def headers_of_caller(self) -> Mapping[str, str]:
        """The quota project, which user credentials need: https://cloud.google.com/docs/quotas/quota-project"""
        project = quota_project()
        return {"x-goog-user-project": project} if project else {}


@asynccontextmanager
async def http(place: GoogleCloud) -> AsyncIterator[Any]:
    """An httpx.AsyncClient. Proxies and certificates are only for real services; loading certificates takes 80 ms."""
    import httpx

    outside = place.base("").startswith("https://")
    async with httpx.AsyncClient(trust_env=outside, verify=outside) as client:
        yield client


def default_token() -> str:
    """A token from the application default credentials. Raises PermissionDenied if there are none."""
    credentials, _ = default_credentials()
    import google.auth.exceptions
    from google.auth.transport.requests import Request

    try:
        credentials.refresh(Request())
    except google.auth.exceptions.GoogleAuthError as fault:
        text = f"Could not get an access token with your credentials: {fault}."
        raise PermissionDenied(text, LOGIN) from None
    return str(credentials.token)


@cache
def quota_project() -> str:
    """The quota project of the application default credentials; "" if it is not needed or there are no credentials."""
    try:
        return str(getattr(default_credentials()[0], "quota_project_id", None) or "")
    except PermissionDenied:
        return ""


def default_credentials() -> tuple[Any, str]:
    """The application default credentials and their project. Raises PermissionDenied if there are none."""
    try:
        import google.auth
        import google.auth.exceptions
    except ImportError:
        raise PermissionDenied("google-auth is not installed.", "pip install google-auth requests") from None
    try:
        credentials, project = google.auth.default(scopes=[SCOPE])
    except google.auth.exceptions.DefaultCredentialsError:
        raise PermissionDenied(
            "You have no application default credentials on this machine.", login_fix()
        ) from None
    return credentials, project or ""


def inside_lab() -> bool:
    """Whether this is one of the lab's containers, where Google's hosts are the lab's."""
    return bool(os.environ.get("GCE_METADATA_HOST"))


def login_fix() -> str:
    """How to get credentials: Google's, or the lab's if one is running from this checkout."""
    try:
        lab_of_checkout()
    except NotFound:
        return LOGIN
    return f'{LOGIN}; for the lab instead: eval "$(python -m cluster env)"'


def lab_of_checkout() -> LabCloud:
    """The lab of the cluster that runs from this checkout. Raises NotFound if there is none."""
    try:
        key = state.read_key(state.folder())
    except (OSError, ValueError):
        key = ""
    if not key:
        raise NotFound("No lab is running from this checkout: its key is missing.", "make cluster-up")
    return LabCloud(f"http://127.0.0.1:{setting('RAYDOCK_PORT', '8265')}", {"Authorization": f"Bearer {key}"})


def object_of(reply: Any, who: str) -> Mapping[str, Any]:
    """The JSON object in a response. Raises Unreachable for other content, since another server may have answered."""
    try:
        value = parsed(reply.content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unreachable(f"{who} returned something other than a JSON object.", "try again")
    return value


def text_of(value: Mapping[str, Any], name: str, who: str) -> str:
    """A required string field of a response. Raises Unreachable if it is missing."""
    if found := text(value.get(name)):
        return found
    raise Unreachable(f"{who} returned no {name}.", "try again")


def sentence_of(body: bytes) -> str:
    """The message in a Google error's body."""
    try:
        value = parsed(body)["error"]
        return str(value.get("message") if isinstance(value, dict) else value)
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip()
