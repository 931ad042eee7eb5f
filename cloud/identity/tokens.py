"""The lab's access tokens: unguessable, tied to a principal, and with an expiry time.

A token contains its principal and expiry time, signed with an HMAC. Tokens therefore survive a restart of the cloud, as
Google's do, and the lab needs to store only one secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "ya29.lab."  # Google's access tokens start with ya29.


class BadToken(Exception):
    """The token was not issued by the lab, or has expired."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and verifies tokens. `lifetime` is in seconds, times are Unix times.

    `cut_lifetime`: the age in seconds at which tokens expire whatever they say, for faults on purpose.
    """

    secret: bytes = field(repr=False)
    lifetime: float = 3600
    clock: Callable[[], float] = time.time
    cut_lifetime: Callable[[], float] = lambda: math.inf

    def mint(self, principal: str, lifetime: float | None = None) -> tuple[str, float]:
        """A new token for a principal, and its expiry time."""
        now = self.clock()
        expires = now + (self.lifetime if lifetime is None else lifetime)
        claims = {"principal": principal, "issued": now, "expires": expires, "nonce": secrets.token_hex(8)}
        body = encode(json.dumps(claims, separators=(",", ":")).encode())
        return f"{PREFIX}{body}.{self.sign(body)}", expires

    def principal(self, token: str) -> str:
        """A token's principal. Raises BadToken for an unknown or expired token."""
        return str(self.claims(token)["principal"])

    def claims(self, token: str) -> dict[str, object]:
        """A token's claims: principal, issued, expires, nonce. Raises BadToken like `principal`."""
        body, _, mac = token.removeprefix(PREFIX).partition(".")
        if not (token.isascii() and token.startswith(PREFIX) and hmac.compare_digest(mac, self.sign(body))):
            raise BadToken("unknown")
        claims: dict[str, object] = json.loads(decode(body))
        issued, expires = (float(str(claims[name])) for name in ("issued", "expires"))
        if min(expires, issued + self.cut_lifetime()) <= self.clock():
            raise BadToken("expired")
        return claims

    def sign(self, body: str) -> str:
        """The HMAC of a token's body."""
        return encode(hmac.new(self.secret, body.encode(), hashlib.sha256).digest())


def load_secret(folder: Path) -> bytes:
    """The signing secret. Created at the first start and readable by this user only."""
    path = folder / "token-secret"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        secret = secrets.token_bytes(32)
        write_private(path, secret)
        return secret


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically, readable by this user only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    part.replace(path)


def encode(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The inverse of `encode`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
