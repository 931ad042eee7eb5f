"""Google's APIs for the import: each call returns a document, or notes that its part is hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iam.errors import MalformedPolicy
from iam.policy.policies import Policy, policy_from_json
from iam.policy_reader import PolicyReader, json_of
from iam.project_import.parts import Hidden, Part
from raydock.answers import mapping, parsed, rows, text
from raydock.errors import NotFound
from raydock.gcp.clouds import sentence_of

AT_ONCE = 16  # calls
PAGES = 1000  # the most pages of one list, in case a server never ends it


@dataclass(slots=True)
class ProjectApi:
    """Reads one project. `hidden` collects what could not be read; `seen` counts the calls that succeeded."""

    reader: PolicyReader
    project: str
    hidden: list[Hidden] = field(default_factory=list)
    seen: int = 0
    limit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def get(self, part: Part, what: str, host: str, path: str) -> Mapping[str, Any] | None:
        """GET a document. None if it is hidden. Raises NotFound, PermissionDenied (401) and Unreachable."""
        return await self.call(part, what, "GET", host, path)

    async def call(
        self, part: Part, what: str, method: str, host: str, path: str, body: Any = None
    ) -> Mapping[str, Any] | None:
        """Like `get`, with any method. `what` describes the part, for the summary."""
        async with self.limit:
            reply = await self.reader.send(method, host, path, body)
        found = json_of(reply, host)
        if found is None:
            self.hide(part, what, self.disabled(reply.content))
        else:
            self.seen += 1
        return found

    async def pages(
        self, part: Part, what: str, host: str, path: str, items: str, most: int = 0
    ) -> list[Mapping[str, Any]] | None:
        """All items of a list, or the first `most`. None if it is hidden."""
        found, token = list[Mapping[str, Any]](), ""
        for _ in range(PAGES):
            join = "&" if "?" in path else "?"
            page = await self.get(part, what, host, path + (f"{join}pageToken={token}" if token else ""))
            if page is None:
                return None
            found += rows(page.get(items))
            token = text(page.get("nextPageToken"))
            if not token or (most and len(found) >= most):
                break
        return found[:most] if most else found

    async def policy(
        self, part: Part, what: str, method: str, host: str, path: str, body: Any = None
    ) -> Policy | None:
        """A policy. None if it is hidden, or in a form that this version does not know."""
        try:
            document = await self.call(part, what, method, host, path, body)
            return None if document is None else policy_from_json(document)
        except NotFound:
            self.hide(part, what, "it was deleted during the import")
            return None
        except MalformedPolicy as fault:
            self.hide(part, what, f"it could not be parsed: {fault.message}")
            return None

    def hide(self, part: Part, what: str, why: str = "") -> None:
        """Note that a part could not be read."""
        self.hidden.append(Hidden(part, what, why))

    def disabled(self, body: bytes) -> str:
        """Why a 403 is not about permissions: the API is disabled. "" for every other 403."""
        try:
            error = mapping(mapping(parsed(body)).get("error"))
        except ValueError:
            return ""
        for detail in rows(error.get("details")):
            if detail.get("reason") == "SERVICE_DISABLED":
                service = text(mapping(detail.get("metadata")).get("service"))
                return f"{service} is disabled: gcloud services enable {service} --project {self.project}"
        message = sentence_of(body)
        return message if "it is disabled" in message else ""
