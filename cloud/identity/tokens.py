"""Access tokens of the lab: unguessable, bound to a principal, expiring.

A token carries who it is for and until when, with an HMAC over both. So tokens outlive a restart of the
cloud, as Google's do, and nothing has to be kept but one secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "ya29.lab."  # Google's access tokens begin with ya29.


class BadToken(Exception):
    """The token is none of ours, or has expired."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes and reads tokens. `lifetime` and the times are in seconds."""

    secret: bytes = field(repr=False)
    lifetime: float = 3600
    clock: Callable[[], float] = time.time

    def mint(self, principal: str, lifetime: float | None = None) -> tuple[str, float]:
        """A new token for a principal, and the time at which it expires."""
        now = self.clock()
        expires = now + (self.lifetime if lifetime is None else lifetime)
        claims = {"principal": principal, "issued": now, "expires": expires, "nonce": secrets.token_hex(8)}
        body = encode(json.dumps(claims, separators=(",", ":")).encode())
        return f"{PREFIX}{body}.{self.seal(body)}", expires

    def principal(self, token: str) -> str:
        """Whose token it is. BadToken where it is not ours or has expired."""
        return str(self.claims(token)["principal"])

    def claims(self, token: str) -> dict[str, object]:
        """What a token says: principal, issued, expires, nonce."""
        body, _, seal = token.removeprefix(PREFIX).partition(".")
        if not (token.isascii() and token.startswith(PREFIX) and hmac.compare_digest(seal, self.seal(body))):
            raise BadToken("unknown")
        claims: dict[str, object] = json.loads(decode(body))
        if float(str(claims["expires"])) <= self.clock():
            raise BadToken("expired")
        return claims

    def seal(self, body: str) -> str:
        return encode(hmac.new(self.secret, body.encode(), hashlib.sha256).digest())


def load_secret(folder: Path) -> bytes:
    """The secret of the tokens, made at the first start and kept for this user's eyes only."""
    path = folder / "token-secret"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        secret = secrets.token_bytes(32)
        write_private(path, secret)
        return secret


def write_private(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, readable by this user only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    part.replace(path)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
