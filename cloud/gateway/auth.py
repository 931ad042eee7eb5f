"""Authenticates requests to the gateway by Host, Origin, key and session, and responds to refused requests.

Ray 2.47.1 has no authentication, and DNS rebinding lets a page on any site reach its dashboard from a browser
(CVE-2025-62593). The gateway therefore checks Host and Origin before the key.
"""

from __future__ import annotations

import html
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import unquote

from aiohttp import web

from cloud.gateway import sign_in_page
from cloud.gateway.credentials import (
    HOST_HEADER,
    SAFE,
    SESSION,
    bearer,
    cookie_name,
    credential,
    key_matches,
    session_cookie,
    token,
    without_token,
)
from cloud.gateway.gate import Gate

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

NAME = "raydock-gateway"
AGENT = web.RequestKey("agent", str)  # the User-Agent to send to the dashboard
ASK = (
    "This address requires the cluster key. In a browser, open the link that `python -m cluster status` prints. In a "
    "program, send the header `Authorization: Bearer KEY` (for ray job submit, set RAY_JOB_HEADERS)."
)
# `ray job submit` shows only the reason phrase if its first request fails.
REASON = "Unauthorized: `python -m cluster status` prints the key"

DOTTED = "The path contains a . or .. segment: send the resolved path."


def path_of(request: web.Request) -> str:
    """The path as received, still encoded. Decoding or normalizing it first would let it bypass prefix checks."""
    return request.raw_path.partition("?")[0]


def refused(request: web.Request, status: int, sentence: str) -> web.Response:
    """A refusal with a one-line message. Closes the connection if the request has an unread body."""
    response = web.Response(status=status, text=sentence + "\n", headers={"Cache-Control": "no-store"})
    if request.body_exists:
        response.force_close()
    return response


def wrong_host_or_origin(request: web.Request, gate: Gate) -> str:
    """Why a request is not meant for this gateway: a wrong Host, target or Origin. "" if it is."""
    names = request.headers.getall("Host", [])
    match = HOST_HEADER.fullmatch(names[0]) if len(names) == 1 else None
    if match is None or match[1].lower() not in gate.hosts:
        return "The Host header does not match this gateway: use http://127.0.0.1 or http://localhost."
    if not request.raw_path.startswith(("/", "*")) and request.method != "CONNECT":
        return "This is a gateway, not a proxy: send only the path, without http://host."
    own = f"{request.scheme}://{names[0]}".lower()
    if any(origin.lower() != own for origin in request.headers.getall("Origin", [])):
        return "This request comes from a page on another origin, which may not use the cluster."
    return ""


def is_cross_origin(request: web.Request) -> bool:
    """Whether the browser reports that a page on another origin made this request.

    A page on another port of this machine counts too: it is `same-site` and sends our cookie. Some of Ray's GET
    routes have side effects (/api/actors/kill). https://www.w3.org/TR/fetch-metadata/
    """
    return request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}


def sign_in(request: web.Request, gate: Gate, target: str) -> web.Response:
    """Set the session cookie and redirect to `target`, so the key is not copied, logged or sent as Referer.

    If another site's page opened the link, the response is a page that redirects: browsers withhold a SameSite=Strict
    cookie throughout a redirect chain that another site started.
    """
    target = "/" + target.lstrip("/\\")  # "//evil" would lead to another host
    where = html.escape(target)
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={where}"><a href="{where}">Continue</a>'
    status = 200 if is_cross_origin(request) else 303
    response = web.Response(status=status, text=page, content_type="text/html")
    if response.status == 303:
        response.headers["Location"] = target
    response.headers.update({"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
    response.set_cookie(
        cookie_name(request),
        session_cookie(gate, int(time.time()) + SESSION),
        max_age=SESSION,
        httponly=True,
        secure=request.secure,
        samesite="Strict",
    )
    return response


def request_key(request: web.Request, status: int = 401) -> web.Response:
    """Ask for the key: with a form in a browser, with a one-line message otherwise."""
    response = refused(request, status, ASK)
    if "text/html" in request.headers.get("Accept", ""):
        wrong_key = request.method == "POST" or token(request) is not None
        response.text, response.content_type = sign_in_page.page(wrong_key), "text/html"
        response.headers["Content-Security-Policy"] = sign_in_page.POLICY
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="raydock"'
        response.set_status(401, REASON)
    # With "no-referrer", Chromium submits the form with `Origin: null`, which counts as another origin.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


async def sign_in_form(request: web.Request, gate: Gate) -> web.Response:
    """Show the sign-in form (GET) or handle it (POST). This is the only path that requires no key."""
    if request.method != "POST":
        return request_key(request, 200)
    try:
        fields = await request.clone(client_max_size=4096).post()
    except (ValueError, LookupError, RuntimeError, AssertionError):  # from aiohttp, for a malformed form
        return refused(request, 400, "The body is not a form.")
    key = fields.get("token", "")
    if isinstance(key, str) and key_matches(key, gate):
        return sign_in(request, gate, "/")
    return request_key(request)


async def admit(
    request: web.Request, gate: Gate, mounts: Mapping[str, Handler], handler: Handler
) -> web.StreamResponse:
    """Run the remaining checks. Without credentials, a caller only learns that a key is required."""
    path = path_of(request)
    cross_origin, link = is_cross_origin(request), token(request)
    sentence = "This request comes from a page on another site: open the address or the link directly."
    if cross_origin and request.method not in SAFE:
        return refused(request, 403, sentence)
    if has_dot_segment(path) and path.startswith(tuple(mounts)):
        return refused(request, 400, DOTTED)
    if (mount := find_mount(path, mounts)) is not None:
        if request.headers.get("Sec-Fetch-Dest", "empty") != "empty":
            return refused(
                request, 403, "This address is for programs: it can't be opened as a page in a browser."
            )
        await send_continue(request)
        return sandboxed(await mount(request))
    if cross_origin and link is None and not bearer(request):
        return refused(request, 403, sentence)
    if path == "/login" and link is None and request.method in {"GET", "HEAD", "POST"}:
        await send_continue(request)
        return await sign_in_form(request, gate)
    if link is not None and key_matches(link, gate):
        return sign_in(request, gate, without_token(request.raw_path))
    kind = credential(request, gate) if link is None else ""
    return request_key(request) if not kind else await authorize(request, gate, kind, handler)


def sandboxed(response: web.StreamResponse) -> web.StreamResponse:
    """Add a sandbox policy. A page that a job stored in a bucket then runs no scripts and has an opaque origin."""
    response.headers.setdefault("Content-Security-Policy", SANDBOX)
    return response


async def authorize(request: web.Request, gate: Gate, kind: str, handler: Handler) -> web.StreamResponse:
    """Forward an authenticated request (`kind`: key or session) unless the request itself is not allowed."""
    if request.method in {"CONNECT", "TRACE"}:
        return refused(request, 405, f"The dashboard does not support {request.method}.")
    if has_dot_segment(path_of(request)):
        return refused(request, 400, DOTTED)
    if "#" in request.raw_path:
        return refused(
            request,
            400,
            "The request contains a fragment: send the path without the # and everything after it.",
        )
    if kind == "session" and request.method not in SAFE and "Origin" not in request.headers:
        return refused(
            request,
            403,
            "A session cookie alone does not permit changes: send Authorization: Bearer KEY instead.",
        )
    if (request.content_length or 0) > gate.limit:
        return too_large(request, gate)
    request[AGENT] = dashboard_user_agent(request.headers.get("User-Agent", ""), kind)
    return await handler(request)


def has_dot_segment(path: str) -> bool:
    """Whether a path contains a `.` or `..` segment, including a percent-encoded one."""
    return any(unquote(segment) in {".", ".."} for segment in path.split("/"))


def find_mount(path: str, mounts: Mapping[str, Handler]) -> Handler | None:
    """The handler with the longest matching prefix for a path (as received)."""
    found = [prefix for prefix in mounts if path.startswith(prefix)]
    return mounts[max(found, key=len)] if found else None


def dashboard_user_agent(name: str, kind: str) -> str:
    """The User-Agent to send to the dashboard; see cloud/gateway/proxy.py."""
    return NAME if not name or (kind == "key" and name.startswith("Mozilla")) else name


def too_large(request: web.Request, gate: Gate) -> web.Response:
    """The 413 for a body over the limit."""
    return refused(
        request,
        413,
        f"The request body exceeds {gate.limit / 2**20:g} MiB, the dashboard's limit here and on Vertex AI "
        "(100 MiB): list files that the job does not need in `.rayignore`, and keep data in a bucket.",
    )


async def send_continue(request: web.Request) -> None:
    """Send 100 Continue if the client waits for it before sending the body."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.body_exists:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response has not started; aiohttp's own handler resets this too


SANDBOX = "sandbox; default-src 'none'"
