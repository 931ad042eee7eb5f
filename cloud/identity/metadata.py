"""The metadata server, from which code on Google Cloud gets its identity and access tokens.

Sources: https://cloud.google.com/compute/docs/metadata/querying-metadata and google-auth's
google/auth/compute_engine/_metadata.py, its most common client.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from cloud.identity.tokens import Tokens
from cloud.lab_state import LabState
from iam.policy.principal import email

FLAVOR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
SCOPES = ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"]
ROOT = "/computeMetadata/v1"


class Metadata:
    """A metadata server for one principal. Each network or port has its own, to tell containers apart."""

    def __init__(
        self, lab_state: LabState, tokens: Tokens, principal: Callable[[], str], project: str
    ) -> None:
        self.lab_state = lab_state
        self.tokens = tokens
        self.principal = principal
        self.project = project

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle any path. Like Google's, requires `Metadata-Flavor: Google` and rejects X-Forwarded-For."""
        if request.path == "/":
            return web.Response(text="computeMetadata/\n", headers=FLAVOR)
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403, text="Missing Metadata-Flavor:Google header.", headers=FLAVOR)
        if "X-Forwarded-For" in request.headers:
            return web.Response(status=403, text="Request came through a proxy.", headers=FLAVOR)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="Method not allowed.", headers=FLAVOR)
        return self.answer(request.path, request.query.get("recursive", "").lower() == "true")

    def answer(self, path: str, recursive: bool) -> web.Response:
        """The value at a path: text, a directory listing, or the whole subtree as JSON if `recursive`."""
        if not path.startswith(ROOT):
            return web.Response(status=404, text=f"{path} was not found.", headers=FLAVOR)
        node: Any = self.tree()
        for part in filter(None, path.removeprefix(ROOT).split("/")):
            node = node.get(part) if isinstance(node, dict) else None
        if callable(node):
            return web.json_response(node(), headers=FLAVOR)
        if node is None:
            return web.Response(status=404, text=f"{path} was not found.", headers=FLAVOR)
        if isinstance(node, dict):
            return self.directory(node, recursive)
        text = "\n".join(node) + "\n" if isinstance(node, list) else str(node)
        return web.Response(text=text, content_type="application/text", headers=FLAVOR)

    def directory(self, node: dict[str, Any], recursive: bool) -> web.Response:
        """A directory's entries, one per line, or its subtree as JSON."""
        if recursive:
            return web.Response(
                text=json.dumps(subtree(node)), content_type="application/json", headers=FLAVOR
            )
        entries = [f"{name}/" if isinstance(entry, dict) else name for name, entry in node.items()]
        return web.Response(text="\n".join(entries) + "\n", content_type="application/text", headers=FLAVOR)

    def tree(self) -> dict[str, Any]:
        """Everything under /computeMetadata/v1; a callable is evaluated only when requested by name."""
        principal = self.principal()
        address = self.address(principal)
        account = {
            "aliases": ["default"],
            "email": address,
            "scopes": SCOPES,
            "token": lambda: self.token(principal),
        }
        number = self.lab_state.number(self.project)
        return {
            "instance": {
                "id": "1",
                "name": "raydock",
                "zone": f"projects/{number}/zones/us-central1-a",
                "region": f"projects/{number}/regions/us-central1",
                "attributes": {},
                "service-accounts": {"default": account, address: account},
            },
            "project": {"project-id": self.project, "numeric-project-id": number, "attributes": {}},
            "universe": {"universe-domain": "googleapis.com"},
        }

    def address(self, principal: str) -> str:
        """The account's name."""
        return email(principal)

    def token(self, principal: str) -> dict[str, Any]:
        """A new access token, in the format of Google's metadata server."""
        token, expires = self.tokens.mint(principal)
        return {
            "access_token": token,
            "expires_in": max(1, int(expires - time.time())),
            "token_type": "Bearer",
        }


def subtree(node: Any) -> Any:
    """A directory as JSON in camel case, excluding the entries that must be requested by name."""
    if not isinstance(node, dict):
        return node
    return {camel_case(name): subtree(entry) for name, entry in node.items() if not callable(entry)}


def camel_case(name: str) -> str:
    """A metadata key in camel case; email addresses stay unchanged."""
    if "@" in name:
        return name
    first, *rest = name.split("-")
    return first + "".join(part.capitalize() for part in rest)
