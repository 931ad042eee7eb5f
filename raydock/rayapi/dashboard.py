"""Direct client of Ray's Job REST API: bounded requests, one-sentence errors.

Source: ray 2.47.1, `dashboard/modules/job/job_head.py` and `dashboard/modules/state/state_head.py`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from raydock import answers
from raydock.errors import ServerError, Unreachable, UsageError
from raydock.rayapi.connection import Connection, Target

from .client import client_of, proxies
from .job import STATUSES, Job, job_of

MOST = 4 * 2**20  # bytes of a log's last lines that are read at once


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of requests, in seconds."""

    connect: float = 5
    read: float = 10
    submit: float = 30  # the head starts the job's supervisor before it answers
    upload: float = 300  # for a whole 100 MiB package on a slow connection


class Dashboard:
    """The Job API of one target. An async context manager; raises ServerError and Unreachable.

    `tell` gets the target's progress messages: which cluster it found, and that it is waiting for it.
    """

    connection: Connection
    client: httpx.AsyncClient
    url: str

    def __init__(
        self,
        target: Target,
        timeouts: Timeouts = Timeouts(),
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.target, self.timeouts, self.tell = target, timeouts, tell

    async def __aenter__(self) -> Dashboard:
        await self.target.ready(self.tell)
        self.connection = self.target.connect()
        self.url = self.connection.base_url
        self.client = client_of(
            self.connection, httpx.Timeout(self.timeouts.read, connect=self.timeouts.connect)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def version(self) -> Mapping[str, Any]:
        """`ray_version` and `session_name` of the cluster."""
        return await self.json("GET", "/api/version")

    async def nodes(self) -> list[Mapping[str, Any]]:
        """The live nodes, as listed by the state API."""
        return [node for node in await self.state("nodes") if node.get("state") == "ALIVE"]

    async def state(self, what: str, query: str = "", most: int = 10_000) -> list[Mapping[str, Any]]:
        """A detailed list from the state API; `query` contains its filters."""
        path = f"/api/v0/{what}?detail=1&limit={most}" + (f"&{query}" if query else "")
        reply = await self.json("GET", path)
        return answers.rows(answers.mapping(reply, "data", "result").get("result"))

    async def log_file(self, node: str, name: str, lines: int = -1, most: int = 0) -> bytes | None:
        """The last lines of a file in a node's log directory; -1 for the whole file.

        None if the file does not exist, or if the lines exceed `most` bytes (default `MOST`).
        """
        read = bytearray()
        try:
            async with self.log_chunks(node, name, lines) as chunks:
                async for chunk in chunks:
                    read += chunk
                    if len(read) > (most or MOST):
                        return None
        except ServerError as fault:
            if fault.status not in {404, 500}:
                raise
            return None
        return bytes(read)

    async def job(self, submission_id: str) -> Job | None:
        """The job with that submission id; None if the cluster does not know it."""
        reply = await self.request("GET", f"/api/jobs/{quote(submission_id, safe='')}", accept={200, 404})
        if reply.status_code == 404:
            return None
        job = job_of(self.parsed(reply))
        if job.submission_id and job.status not in STATUSES:
            raise ServerError(
                f"{self.url} gives the job {submission_id} the status {job.status!r}, which Ray does not have.",
                self.target.fix,
            )
        return job

    async def jobs(self) -> list[Job]:
        """All submissions, newest last."""
        reply = await self.request("GET", "/api/jobs/")
        found = map(job_of, answers.rows(self.parsed(reply, list)))
        return sorted((job for job in found if job.submission_id), key=lambda job: job.started)

    async def submit(self, body: Mapping[str, Any]) -> None:
        """Submit a job. Success means only that the cluster accepted it. Raises UsageError for invalid UTF-8."""
        timeout = httpx.Timeout(self.timeouts.submit, connect=self.timeouts.connect)
        if name := not_text(body):
            raise UsageError(f"What is sent must be UTF-8, and {name} is not.", "give it in UTF-8")
        await self.request("POST", "/api/jobs/", json=dict(body), timeout=timeout)

    async def stop(self, submission_id: str) -> None:
        """Request that a job stop. It may take some seconds to end, or may already have ended."""
        await self.request("POST", f"/api/jobs/{quote(submission_id, safe='')}/stop")

    async def logs(self, submission_id: str) -> str:
        """The complete log of a job so far."""
        reply = await self.json("GET", f"/api/jobs/{quote(submission_id, safe='')}/logs")
        return answers.text(reply.get("logs"))

    async def has_package(self, uri: str) -> bool:
        """Whether the cluster has the package. The request also keeps it for some minutes."""
        reply = await self.request("GET", package_path(uri), accept={200, 404})
        return reply.status_code == 200

    async def put_package(self, uri: str, package: bytes) -> None:
        """Upload a package under its URI."""
        timeout = httpx.Timeout(self.timeouts.upload, connect=self.timeouts.connect)
        await self.request("PUT", package_path(uri), content=package, timeout=timeout)

    @asynccontextmanager
    async def log_chunks(self, node: str, name: str, lines: int = -1) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a node's log file up to its current end: all of it, or only the last lines."""
        try:
            reply = await self.opened(log_path(node, name, lines))
            try:
                if reply.status_code != 200:
                    raise self.refusal(reply)
                yield reply.aiter_bytes()
            finally:
                await reply.aclose()
        except (httpx.RequestError, httpx.InvalidURL) as fault:
            raise self.unreachable(fault) from None

    async def opened(self, path: str) -> httpx.Response:
        """The response to a GET, its body unread. Retried once if the headers are rejected."""
        headers = await self.headers()
        reply = await self.client.send(self.client.build_request("GET", path, headers=headers), stream=True)
        if reply.status_code != 401 or not self.connection.turned_down(headers):
            return reply
        await reply.aclose()
        again = self.client.build_request("GET", path, headers=await self.headers())
        return await self.client.send(again, stream=True)

    async def headers(self) -> dict[str, str]:
        """The target's headers, created for this request. Raises UsageError if they can't be sent."""
        make = self.connection.headers
        try:
            made = dict(await asyncio.to_thread(make) if self.connection.slow else make())
        except UnicodeError:
            raise UsageError("The key of the cluster is not text.", self.target.fix) from None
        for name, value in made.items():
            if not (name + value).isascii() or not (name + value).isprintable():
                raise UsageError(
                    f"The header {name} can't be sent: it holds a character that HTTP has no place for.",
                    "look at where it comes from: RAY_JOB_HEADERS, or the key of the cluster",
                )
        return made

    async def json(self, method: str, path: str) -> Mapping[str, Any]:
        """Return a JSON object from the server."""
        value: Mapping[str, Any] = self.parsed(await self.request(method, path))
        return value

    async def request(
        self, method: str, path: str, accept: frozenset[int] | set[int] = frozenset({200}), **more: Any
    ) -> httpx.Response:
        """One bounded request, retried once with new headers if they are rejected.

        Raises ServerError for a status that is not in `accept`.
        """
        headers = await self.headers()
        try:
            reply = await self.client.request(method, path, headers=headers, **more)
            if reply.status_code == 401 and self.connection.turned_down(headers):
                reply = await self.client.request(method, path, headers=await self.headers(), **more)
        except (httpx.RequestError, httpx.InvalidURL) as fault:
            raise self.unreachable(fault) from None
        if reply.status_code not in accept:
            raise self.refusal(reply)
        return reply

    def parsed(self, reply: httpx.Response, wanted: type = dict) -> Any:
        """The response's JSON. Raises ServerError if it is not of the expected type."""
        try:
            value = answers.parsed(reply.content)
        except ValueError:
            value = None
        if not isinstance(value, wanted):
            raise ServerError(
                f"What answers at {self.url} is not a Ray dashboard: {reply.request.url.path} gave no JSON.",
                self.target.fix,
            )
        return value

    def unreachable(self, fault: Exception) -> Unreachable:
        """The error for a request without a response."""
        if isinstance(fault, (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout)):
            why = "it took the request and then did not answer in time"
        elif isinstance(fault, httpx.ConnectTimeout):
            why = f"no connection within {self.timeouts.connect:g} s"
        elif isinstance(fault, httpx.ConnectError):
            why = connect_reason(fault) + self.way
        elif isinstance(fault, httpx.ProxyError):
            why = f"the proxy refused ({fault})"
        elif isinstance(fault, httpx.LocalProtocolError | httpx.InvalidURL | httpx.UnsupportedProtocol):
            why = f"the request can't be sent ({fault})"
        else:
            why = "the connection broke off before its answer was complete"
        return Unreachable(f"The cluster at {self.url} does not answer: {why}.", self.target.fix)

    @property
    def way(self) -> str:
        """A note on the environment's proxies, any of which may have caused the failure; "" if there are none."""
        names = [name for name, _ in proxies()] if self.connection.through_proxy else []
        return f" (the environment names a proxy: {', '.join(names)})" if names else ""

    def refusal(self, reply: httpx.Response) -> ServerError:
        """The error for an error response. The last line of a server traceback is the reason."""
        where = f"{reply.request.method} {reply.request.url.path}"
        lines = reply.text.strip().splitlines() if reply.is_closed else []
        why = ": " + lines[-1].strip()[:300].rstrip(".") if lines else ""
        return ServerError(
            f"{self.url} answered {reply.status_code} to {where}{why}.", self.target.fix, reply.status_code
        )


def not_text(value: object, name: str = "the request") -> str:
    """The name of the first text with a lone surrogate, which invalid UTF-8 is decoded to; "" if there is none."""
    if isinstance(value, Mapping):
        return next((found for key, one in value.items() if (found := not_text(one, str(key)))), "")
    if isinstance(value, list | tuple):
        return next((found for one in value if (found := not_text(one, name))), "")
    return name if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value) else ""


def connect_reason(fault: BaseException) -> str:
    """Why the connection failed, from the causes of httpx's error."""
    for cause in causes(fault):
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        if isinstance(cause, socket.gaierror):
            return "its name can't be resolved"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted here ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS as it should"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return str(fault) or "there was no connection"


def causes(fault: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, including the members of exception groups."""
    while fault is not None:
        yield fault
        for inner in getattr(fault, "exceptions", ()):
            yield from causes(inner)
        fault = fault.__cause__ or fault.__context__


def package_path(uri: str) -> str:
    """The path of a package, from its `gcs://NAME` URI."""
    protocol, _, name = uri.partition("://")
    return f"/api/packages/{protocol}/{quote(name)}"


def log_path(node: str, name: str, lines: int = -1) -> str:
    """The path of a file in a node's log folder: its last `lines`, or all of it for -1."""
    return f"/api/v0/logs/file?node_id={quote(node)}&filename={quote(name)}&lines={lines}"


def described(content: bytes | None) -> Mapping[str, Any]:
    """A node's description of itself, written by docker/node.py; empty if there is none."""
    try:
        value = answers.parsed(content or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
