"""Who asks, where, and who jobs run as there: what every command of `python -m iam` begins with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from iam.policy.principal import code_agent
from iam.policy_reader import PROJECTS, PolicyReader
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
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Session:
    """One caller at one place. Principals are "" where they are not known, and so is the project.

    `buckets` are those of the lab; Google does not tell.
    """

    place: GoogleCloud
    token: str
    caller: str
    job: str
    project: str
    buckets: tuple[str, ...] = ()

    @property
    def flags(self) -> str:
        """What a command line needs to reach the same place."""
        return "" if isinstance(self.place, LabCloud) else f" --target {self.place.name}"

    @property
    def who(self) -> str:
        return self.caller or "your account"


def begin(target: str, project: str = "") -> Session:
    """A session at the target. Refused, NotFound or Unreachable."""
    return asyncio.run(_google(project) if target == "google" else _lab(project))


@asynccontextmanager
async def asking(session: Session) -> AsyncIterator[PolicyReader]:
    """Questions as the session's caller."""
    async with http(session.place) as client:
        yield PolicyReader(client, session.place, session.token, session.place.headers_of_caller())


async def _lab(project: str) -> Session:
    try:
        lab = lab_of_checkout()
    except NotFound as fault:
        raise Unreachable(fault.message, fault.fix) from None
    async with http(lab) as client:
        about, token = await asyncio.gather(lab.about(client), lab.token(client))
    person, job, own = (text_of(about, name, LAB) for name in ("person", "job", "project"))
    return Session(lab, token, person, job, project or own, tuple(sorted(mapping(about.get("buckets")))))


async def _google(project: str) -> Session:
    place = RealCloud()
    async with http(place) as client:
        token = await place.token(client)
        caller = await caller_of(client, place, token)
        project = project or setting("GOOGLE_CLOUD_PROJECT") or default_credentials()[1]
        asker = PolicyReader(client, place, token, place.headers_of_caller())
        job = await agent_of(asker, project) if project else ""
    return Session(place, token, caller, job, project)


async def caller_of(client: Any, place: GoogleCloud, token: str) -> str:
    """Whose token it is; "" where Google does not say. The token goes in the body: addresses are logged."""
    import httpx

    try:
        url = f"{place.base(TOKENS)}/tokeninfo"
        reply = await client.post(url, data={"access_token": token}, timeout=SECONDS)
    except httpx.HTTPError as fault:
        raise Unreachable(f"{TOKENS} does not answer: {type(fault).__name__}.", "try again") from None
    if reply.status_code >= 500:
        raise Unreachable(f"{TOKENS} answered {reply.status_code}: {sentence_of(reply.content)}", "try again")
    address = text(object_of(reply, TOKENS).get("email")) if reply.status_code == 200 else ""
    return principal_of(address or getattr(default_credentials()[0], "service_account_email", ""))


def principal_of(address: str) -> str:
    """The principal with that address; "" for what is none."""
    if "@" not in address:
        return ""
    return f"{'serviceAccount' if address.endswith('gserviceaccount.com') else 'user'}:{address}"


async def agent_of(asker: PolicyReader, project: str) -> str:
    """Who a job on Ray on Vertex AI runs as, unless the cluster has a custom account: the project's agent."""
    number = await number_of(asker, project)
    return f"serviceAccount:{code_agent(number)}" if number else ""


async def number_of(asker: PolicyReader, project: str) -> str:
    try:
        told = await asker.get(PROJECTS, f"/v3/projects/{project}")
    except NotFound:
        return ""
    return str(told["name"]).rpartition("/")[2] if told else ""
