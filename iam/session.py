"""The caller, the cloud and the job principal: the starting point of every `python -m iam` command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from iam.policy.principal import code_agent
from iam.policy_reader import PROJECTS, PolicyReader
from raydock import event_loop
from raydock.answers import mapping, text
from raydock.errors import NotFound, Unreachable
from raydock.gcp.clouds import (
    LAB,
    GoogleCloud,
    LabCloud,
    RealCloud,
    default_credentials,
    http,
    lab_of_checkout,
    object_of,
    sentence_of,
    text_of,
)
from raydock.settings import setting

TOKENS = "oauth2.googleapis.com"
TIMEOUT = 10.0  # seconds per call


@dataclass(frozen=True, slots=True)
class Session:
    """One caller of one cloud. `caller`, `job` (the job principal) and `project` are "" if unknown.

    `buckets` are the lab's buckets; empty on Google Cloud.
    """

    cloud: GoogleCloud
    token: str
    caller: str
    job: str
    project: str
    buckets: tuple[str, ...] = ()

    @property
    def flags(self) -> str:
        """The flags that make a command use the same cloud."""
        return "" if isinstance(self.cloud, LabCloud) else f" --target {self.cloud.name}"

    @property
    def who(self) -> str:
        """The caller, for messages."""
        return self.caller or "your account"


def open_session(target: str, project: str = "") -> Session:
    """Open a session with the lab or, for "google", with Google Cloud.

    Raises PermissionDenied, NotFound or Unreachable.
    """
    return event_loop.run(_google(project) if target == "google" else _lab(project))


@asynccontextmanager
async def open_reader(session: Session) -> AsyncIterator[PolicyReader]:
    """Open a policy reader that acts as the session's caller."""
    async with http(session.cloud) as client:
        yield PolicyReader(client, session.cloud, session.token, session.cloud.headers_of_caller())


async def _lab(project: str) -> Session:
    try:
        lab = lab_of_checkout()
    except NotFound as fault:
        raise Unreachable(fault.message, fault.fix) from None
    async with http(lab) as client:
        about, token = await asyncio.gather(lab.about(client), lab.token(client))
    user, job, own = (text_of(about, name, LAB) for name in ("user", "job", "project"))
    return Session(lab, token, user, job, project or own, tuple(sorted(mapping(about.get("buckets")))))


async def _google(project: str) -> Session:
    cloud = RealCloud()
    async with http(cloud) as client:
        token = await cloud.token(client)
        caller = await caller_of(client, cloud, token)
        project = project or setting("GOOGLE_CLOUD_PROJECT") or default_credentials()[1]
        reader = PolicyReader(client, cloud, token, cloud.headers_of_caller())
        job = await service_agent_of(reader, project) if project else ""
    return Session(cloud, token, caller, job, project)


async def caller_of(client: Any, cloud: GoogleCloud, token: str) -> str:
    """A token's principal, "" if Google does not return it. The token is in the body, because URLs are logged."""
    import httpx

    from raydock.rayapi import no_answer

    try:
        url = f"{cloud.base(TOKENS)}/tokeninfo"
        reply = await client.post(url, data={"access_token": token}, timeout=TIMEOUT)
    except httpx.HTTPError as fault:
        raise Unreachable(
            f"{TOKENS} does not answer: {no_answer.reason(fault, TIMEOUT)}.", "try again"
        ) from None
    if reply.status_code >= 500:
        raise Unreachable(f"{TOKENS} returned {reply.status_code}: {sentence_of(reply.content)}", "try again")
    address = text(object_of(reply, TOKENS).get("email")) if reply.status_code == 200 else ""
    return principal_of(address or getattr(default_credentials()[0], "service_account_email", ""))


def principal_of(address: str) -> str:
    """The principal with that email address, "" if it is not an address."""
    if "@" not in address:
        return ""
    return f"{'serviceAccount' if address.endswith('gserviceaccount.com') else 'user'}:{address}"


async def service_agent_of(reader: PolicyReader, project: str) -> str:
    """The project's service agent, which jobs on Vertex AI run as unless the cluster has a custom account."""
    number = await number_of(reader, project)
    return f"serviceAccount:{code_agent(number)}" if number else ""


async def number_of(reader: PolicyReader, project: str) -> str:
    """The number of a project, "" if the caller may not see it or it does not exist."""
    try:
        reply = await reader.get(PROJECTS, f"/v3/projects/{project}")
    except NotFound:
        return ""
    return str(reply["name"]).rpartition("/")[2] if reply else ""
