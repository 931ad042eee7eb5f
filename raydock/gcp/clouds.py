"""Where Google's services are asked, and who asks: the lab's cloud behind its gateway, or Google itself.

Both answer the same three questions, so everything else is one code for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from raydock import state
from raydock.answers import parsed, text
from raydock.errors import NotFound, PermissionDenied, Unreachable
from raydock.settings import setting

STORAGE = "storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SECONDS = 10.0
LAB = "The lab's cloud"


class GoogleCloud(Protocol):
    """A Google Cloud."""

    @property
    def name(self) -> str:
        """What a command line calls it."""
        ...

    def base(self, host: str) -> str:
        """The URL at which a service of Google's is reached."""
        ...

    async def token(self, client: Any) -> str:
        """An access token of the caller. Raises Refused or Unreachable."""
        ...

    async def job(self, client: Any) -> str:
        """The principal that jobs run as; "" where it can't be known. Raises Refused or Unreachable."""
        ...

    def headers_of_caller(self) -> Mapping[str, str]:
        """What a request of the caller carries besides the token."""
        ...


@dataclass(frozen=True, slots=True)
class LabCloud:
    """The lab's cloud, behind the gateway of a local cluster. `headers` carry its key."""

    gateway: str
    headers: Mapping[str, str]
    name: str = "local"

    def base(self, host: str) -> str:
        return f"{self.gateway}/google/{host}"

    async def token(self, client: Any) -> str:
        return text_of(await self.ask(client, "POST", "/lab/token"), "access_token", LAB)

    async def job(self, client: Any) -> str:
        return text_of(await self.about(client), "job", LAB)

    def headers_of_caller(self) -> Mapping[str, str]:
        return {}

    async def about(self, client: Any) -> Mapping[str, Any]:
        """The lab's person, job principal, project and buckets."""
        return await self.ask(client, "GET", "/lab/")

    async def ask(self, client: Any, method: str, path: str) -> Mapping[str, Any]:
        import httpx

        try:
            reply = await client.request(
                method, self.gateway + path, headers=dict(self.headers), timeout=SECONDS
            )
            if reply.status_code == 401:
                raise PermissionDenied(
                    "The lab's cloud does not take the key of this checkout.", "make cluster-down cluster-up"
                )
            return object_of(reply.raise_for_status(), LAB)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
            why = type(fault).__name__
            raise Unreachable(
                f"The lab's cloud at {self.gateway} does not answer: {why}.", "make cluster-up"
            ) from None


@dataclass(frozen=True, slots=True)
class RealCloud:
    """Google Cloud itself, asked with the caller's application default credentials.

    `account` is the principal that jobs run as, where the target knows it.
    """

    account: str = ""
    name: str = "google"

    def base(self, host: str) -> str:
        return f"https://{host}"

    async def token(self, client: Any) -> str:
        return await asyncio.to_thread(default_token)

    async def job(self, client: Any) -> str:
        return self.account

    def headers_of_caller(self) -> Mapping[str, str]:
        """A person's own login needs a project to be billed: https://cloud.google.com/docs/quotas/quota-project"""
        project = quota_project()
        return {"x-goog-user-project": project} if project else {}


@asynccontextmanager
async def http(place: GoogleCloud) -> AsyncIterator[Any]:
    """An httpx.AsyncClient. The environment's proxies are for what lies outside; reading certificates takes 80 ms."""
    import httpx

    outside = place.base("").startswith("https://")
    async with httpx.AsyncClient(trust_env=outside, verify=outside) as client:
        yield client


def default_token() -> str:
    """A token of the application default credentials. Refused where there are none."""
    credentials, _ = default_credentials()
    import google.auth.exceptions
    from google.auth.transport.requests import Request

    try:
        credentials.refresh(Request())
    except google.auth.exceptions.GoogleAuthError as fault:
        raise PermissionDenied(
            f"Your credentials gave no token: {fault}.", "gcloud auth application-default login"
        ) from None
    return str(credentials.token)


@cache
def quota_project() -> str:
    """The quota project of the application default credentials; "" where they need none, or there are none."""
    try:
        return str(getattr(default_credentials()[0], "quota_project_id", None) or "")
    except PermissionDenied:
        return ""


def default_credentials() -> tuple[Any, str]:
    """The application default credentials and their project. Refused where there are none."""
    try:
        import google.auth
        import google.auth.exceptions
    except ImportError:
        raise PermissionDenied(
            "google-auth is not installed here.", "pip install google-auth requests"
        ) from None
    try:
        credentials, project = google.auth.default(scopes=[SCOPE])
    except google.auth.exceptions.DefaultCredentialsError:
        raise PermissionDenied(
            "You have no application default credentials here.", "gcloud auth application-default login"
        ) from None
    return credentials, project or ""


def lab_of_checkout() -> LabCloud:
    """The lab of the cluster that this checkout has up. NotFound where none is."""
    try:
        key = state.read_key(state.folder())
    except (OSError, ValueError):
        key = ""
    if not key:
        raise NotFound("No lab is up here: its key is missing.", "make cluster-up")
    return LabCloud(f"http://127.0.0.1:{setting('RAYDOCK_PORT', '8265')}", {"Authorization": f"Bearer {key}"})


def object_of(reply: Any, who: str) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises Unreachable where it is none: something else answers there."""
    try:
        told = parsed(reply.content)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Unreachable(f"{who} answered something that is not a JSON object.", "try again")
    return told


def text_of(told: Mapping[str, Any], name: str, who: str) -> str:
    """A text that an answer must hold. Raises Unreachable."""
    if found := text(told.get(name)):
        return found
    raise Unreachable(f"{who} answered without {name}.", "try again")


def sentence_of(body: bytes) -> str:
    """The message in one of Google's error bodies."""
    try:
        told = parsed(body)["error"]
        return str(told.get("message") if isinstance(told, dict) else told)
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip()
