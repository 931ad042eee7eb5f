"""A caller's credentials: the cluster key, as a bearer token or in a sign-in link, and the session cookie."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from urllib.parse import parse_qsl

from aiohttp import web

from cloud.gateway.gate import Gate

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION = 7 * 24 * 3600  # seconds; after a week, a browser needs the link again
COOKIE = "raydock_"
HOST_HEADER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


def key_matches(key: str, gate: Gate) -> bool:
    """Whether this is the gate's key."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    return hmac.compare_digest(digest, gate.key_sha256)  # never true for an empty key_sha256


def session_cookie(gate: Gate, until: int) -> str:
    """A session cookie's value: its expiry (Unix time) and an HMAC of it, so sessions survive a restart."""
    mac = hmac.new(gate.secret, f"raydock session {gate.key_sha256} {until}".encode(), "sha256")
    return f"{until}.{mac.hexdigest()}"


def session_valid(value: str, gate: Gate) -> bool:
    """Whether a session cookie is genuine and has not expired."""
    until = value.partition(".")[0]
    if not gate.key_sha256 or not re.fullmatch("[0-9]{1,12}", until) or int(until) < time.time():
        return False
    expected = session_cookie(gate, int(until))
    return hmac.compare_digest(value.encode("utf-8", "surrogateescape"), expected.encode())


def cookie_name(request: web.Request) -> str:
    """The session cookie's name. It contains the port, because browsers share cookies between a host's ports."""
    match = HOST_HEADER.fullmatch(request.headers["Host"])
    return f"{COOKIE}{match[2] or 80}" if match else COOKIE


def bearer(request: web.Request) -> str:
    """The bearer token in the Authorization header; "" if there is none or more than one header."""
    values = request.headers.getall("Authorization", [])
    kind, _, key = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return key.strip() if kind.lower() == "bearer" else ""


def credential(request: web.Request, gate: Gate) -> str:
    """How the caller is authenticated: "key", "session", or "" if not at all."""
    if key_matches(bearer(request), gate):
        return "key"
    return "session" if session_valid(request.cookies.get(cookie_name(request), ""), gate) else ""


def token(request: web.Request) -> str | None:
    """The `token` in a sign-in link's query; None for other requests."""
    query = request.raw_path.partition("?")[2]
    return dict(parse_qsl(query, keep_blank_values=True)).get("token") if request.method in SAFE else None


def without_token(target: str) -> str:
    """The path and query without any `token` parameter, including percent-encoded names."""
    path, mark, query = target.partition("?")
    kept = [part for part in query.split("&") if "token" not in dict(parse_qsl(part, keep_blank_values=True))]
    return path + mark + "&".join(kept) if any(kept) else path
