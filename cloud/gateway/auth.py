"""Who may come in: the Host, Origin and key of a request, sessions, and the answers to those who may not.

Ray 2.47.1 asks nobody who they are. From a browser its dashboard can be reached by a page of any site
through DNS rebinding (CVE-2025-62593), so Host and Origin are looked at before the key is.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from cloud.gateway.job_limit import Room

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION = 7 * 24 * 3600  # seconds; a browser asks for the link again after a week
COOKIE = "raydock_"
NAME = "raydock-gateway"
AGENT = web.RequestKey("agent", str)  # the User-Agent for the dashboard
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
ASK = (
    "This address needs the key of the cluster: `python -m cluster status` prints the link to open; "
    "a program sends the header `Authorization: Bearer KEY` (ray job submit: RAY_JOB_HEADERS)."
)
# All that `ray job submit` shows of an answer to a failed first request is the reason phrase.
REASON = "Unauthorized, `python -m cluster status` prints the key"

DOTTED = "The path holds a . or .. segment: send the path that it leads to."


@dataclass(frozen=True, slots=True)
class Gate:
    """What is guarded and who gets in.

    `secret` signs the sessions, together with the key's digest: another key ends them all.
    """

    dashboard: str  # base URL of Ray's dashboard, such as http://head:8265
    key_sha256: str  # hex; "" lets nobody in
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})  # Host header names, no port
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    room: Room = field(default_factory=Room, repr=False)  # for jobs
    limit: int = 100 * 2**20  # bytes of a request's body: Ray's DASHBOARD_CLIENT_MAX_SIZE, and Vertex's

    def __post_init__(self) -> None:
        if not re.fullmatch("(?:[0-9a-f]{64})?", self.key_sha256):
            raise ValueError("key_sha256 is the hex SHA-256 of the key (64 lower-case digits), or empty")


def path_of(request: web.Request) -> str:
    """The path as it came, still encoded: decoding or normalising first is how prefix checks are fooled."""
    return request.raw_path.partition("?")[0]


def refused(request: web.Request, status: int, sentence: str) -> web.Response:
    """One sentence; the connection is not used again where a body was left unread."""
    response = web.Response(status=status, text=sentence + "\n", headers={"Cache-Control": "no-store"})
    if request.body_exists:
        response.force_close()
    return response


def misdirected(request: web.Request, gate: Gate) -> str:
    """Why this request was not meant for us: its Host, its target, or the page it comes from; else ""."""
    names = request.headers.getall("Host", [])
    match = _HOST.fullmatch(names[0]) if len(names) == 1 else None
    if match is None or match[1].lower() not in gate.hosts:
        return "The Host header is none of this gateway's names: open it as http://127.0.0.1 or localhost."
    if not request.raw_path.startswith(("/", "*")) and request.method != "CONNECT":
        return "This is a gateway, not a proxy: send the path alone, without http://host before it."
    own = f"{request.scheme}://{names[0]}".lower()
    if any(origin.lower() != own for origin in request.headers.getall("Origin", [])):
        return "This request comes from a page of another origin, which may not use the cluster."
    return ""


def elsewhere(request: web.Request) -> bool:
    """Whether a browser says that another origin's page made this request.

    A page on another port of this machine is `same-site`, gets our cookie, and Ray has GET routes that act
    (/api/actors/kill): it counts as foreign too. https://www.w3.org/TR/fetch-metadata/
    """
    return request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}


def right(key: str, gate: Gate) -> bool:
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    return hmac.compare_digest(digest, gate.key_sha256)  # never true of ""


def session(gate: Gate, until: int) -> str:
    """A cookie's value: when it ends, and an HMAC of that, so that sessions outlive a restart."""
    mac = hmac.new(gate.secret, f"raydock session {gate.key_sha256} {until}".encode(), "sha256")
    return f"{until}.{mac.hexdigest()}"


def holds(value: str, gate: Gate) -> bool:
    until = value.partition(".")[0]
    if not gate.key_sha256 or not re.fullmatch("[0-9]{1,12}", until) or int(until) < time.time():
        return False
    return hmac.compare_digest(value.encode("utf-8", "surrogateescape"), session(gate, int(until)).encode())


def cookie_name(request: web.Request) -> str:
    """A browser keeps one cookie jar for all ports of a host, so the port is in the name."""
    match = _HOST.fullmatch(request.headers["Host"])
    return f"{COOKIE}{match[2] or 80}" if match else COOKIE


def bearer(request: web.Request) -> str:
    values = request.headers.getall("Authorization", [])
    kind, _, key = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return key.strip() if kind.lower() == "bearer" else ""


def credential(request: web.Request, gate: Gate) -> str:
    """ "key", "session", or "" for nobody."""
    if right(bearer(request), gate):
        return "key"
    return "session" if holds(request.cookies.get(cookie_name(request), ""), gate) else ""


def token(request: web.Request) -> str | None:
    """The `token` of the query of a link; other verbs have no link."""
    query = request.raw_path.partition("?")[2]
    return dict(parse_qsl(query, keep_blank_values=True)).get("token") if request.method in SAFE else None


def without_token(target: str) -> str:
    """The same path and query, less every `token`, in whatever encoding its name is written."""
    path, mark, query = target.partition("?")
    kept = [part for part in query.split("&") if "token" not in dict(parse_qsl(part, keep_blank_values=True))]
    return path + mark + "&".join(kept) if any(kept) else path


def welcomed(request: web.Request, gate: Gate, target: str) -> web.Response:
    """Sets the cookie and goes on to `target`, where no key is left to be copied, logged or sent as Referer.

    A link opened from another site's page answers with a page instead of a redirect: browsers hold a Strict
    cookie back from the whole redirect chain of a foreign page.
    """
    target = "/" + target.lstrip("/\\")  # "//evil" would be another host
    where = html.escape(target)
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={where}"><a href="{where}">Go on</a>'
    response = web.Response(status=200 if elsewhere(request) else 303, text=page, content_type="text/html")
    if response.status == 303:
        response.headers["Location"] = target
    response.headers.update({"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
    response.set_cookie(
        cookie_name(request),
        session(gate, int(time.time()) + SESSION),
        max_age=SESSION,
        httponly=True,
        secure=request.secure,
        samesite="Strict",
    )
    return response


def asked(request: web.Request, status: int = 401) -> web.Response:
    """Asks for the key: a form for a browser, one sentence for a program."""
    response = refused(request, status, ASK)
    if "text/html" in request.headers.get("Accept", ""):
        response.text, response.content_type = PAGE, "text/html"
        response.headers["Content-Security-Policy"] = POLICY
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="raydock"'
        response.set_status(401, REASON)
    # With "no-referrer" Chromium would send the form with `Origin: null`, which is another origin's.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


async def form(request: web.Request, gate: Gate) -> web.Response:
    """GET shows the form, POST takes it; the one path that needs no key."""
    if request.method != "POST":
        return asked(request, 200)
    try:
        fields = await request.clone(client_max_size=4096).post()
    except (ValueError, LookupError, RuntimeError, AssertionError):  # aiohttp's for a body that is no form
        return refused(request, 400, "The body is no form.")
    key = fields.get("token", "")
    return welcomed(request, gate, "/") if isinstance(key, str) and right(key, gate) else asked(request)


async def admit(
    request: web.Request, gate: Gate, mounts: Mapping[str, Handler], handler: Handler
) -> web.StreamResponse:
    """The rest of the checks, in an order that tells a stranger nothing but that a key is needed."""
    path = path_of(request)
    foreign, link = elsewhere(request), token(request)
    sentence = "This request comes from a page of another site: open the address or the link by yourself."
    if foreign and request.method not in SAFE:
        return refused(request, 403, sentence)
    if dotted(path) and path.startswith(tuple(mounts)):
        return refused(request, 400, DOTTED)
    if (mount := mounted(path, mounts)) is not None:
        if request.headers.get("Sec-Fetch-Dest", "empty") != "empty":
            return refused(
                request, 403, "This address is for programs: a browser does not open it as a page."
            )
        await proceed(request)
        return shut_in(await mount(request))
    if foreign and link is None and not bearer(request):
        return refused(request, 403, sentence)
    if path == "/login" and link is None and request.method in {"GET", "HEAD", "POST"}:
        await proceed(request)
        return await form(request, gate)
    if link is not None and right(link, gate):
        return welcomed(request, gate, without_token(request.raw_path))
    who = credential(request, gate) if link is None else ""
    return asked(request) if not who else await let_in(request, gate, who, handler)


def shut_in(response: web.StreamResponse) -> web.StreamResponse:
    """What a job wrote may be a page: it runs no script, and is of no origin, least of all of the dashboard's."""
    response.headers.setdefault("Content-Security-Policy", SANDBOX)
    return response


async def let_in(request: web.Request, gate: Gate, who: str, handler: Handler) -> web.StreamResponse:
    """What is wrong with a request even of somebody who may come in; else it is passed on."""
    if request.method in {"CONNECT", "TRACE"}:
        return refused(request, 405, f"The dashboard has no {request.method}.")
    if dotted(path_of(request)):
        return refused(request, 400, DOTTED)
    if "#" in request.raw_path:
        return refused(request, 400, "A request has no fragment: send the path without what follows #.")
    if who == "session" and request.method not in SAFE and "Origin" not in request.headers:
        return refused(
            request, 403, "A cookie alone changes nothing: send Authorization: Bearer KEY instead."
        )
    if (request.content_length or 0) > gate.limit:
        return too_large(request, gate)
    request[AGENT] = agent(request.headers.get("User-Agent", ""), who)
    return await handler(request)


def dotted(path: str) -> bool:
    return any(unquote(segment) in {".", ".."} for segment in path.split("/"))


def mounted(path: str, mounts: Mapping[str, Handler]) -> Handler | None:
    """The mount of a path as it came."""
    found = [prefix for prefix in mounts if path.startswith(prefix)]
    return mounts[max(found, key=len)] if found else None


def agent(name: str, who: str) -> str:
    return NAME if not name or (who == "key" and name.startswith("Mozilla")) else name


def too_large(request: web.Request, gate: Gate) -> web.Response:
    return refused(
        request,
        413,
        f"The body is larger than {gate.limit / 2**20:g} MiB, the cap of the dashboard here and on Vertex AI "
        "(100 MiB): list what the job does not need in `.rayignore`, and keep data in a bucket.",
    )


async def proceed(request: web.Request) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.body_exists:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun: aiohttp's own handler does so too


SANDBOX = "sandbox; default-src 'none'"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>raydock: key needed</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}
input,button{font:inherit;padding:.4rem .6rem}input{width:60%}</style>
<h1>This cluster asks for its key</h1>
<p><code>python -m cluster status</code> prints the link to open; or paste the key here.</p>
<form method="post" action="/login">
<input type="password" name="token" aria-label="Key" autocomplete="current-password" required autofocus>
<button>Open</button></form>
</html>
"""
