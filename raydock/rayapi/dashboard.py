"""A client for Ray's Job REST API, for an event loop: bounded requests, one-sentence errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from raydock import answers
from raydock.errors import ServerError, UsageError
from raydock.rayapi.connection import Target

from . import paths
from .client import open_async_client
from .endpoint import DEFAULT, UNFINISHED, Endpoint, Timeouts
from .job import STATUSES, Job, job_of

MOST = 4 * 2**20  # maximum bytes of a log's last lines to read at once


class Dashboard:
    """The Job API of one target. An async context manager; raises ServerError and Unreachable.

    `tell` receives the target's progress messages: which cluster it found, and that it is waiting for the cluster.
    """

    endpoint: Endpoint
    client: httpx.AsyncClient
    url: str

    def __init__(
        self,
        target: Target,
        timeouts: Timeouts = DEFAULT,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.target, self.timeouts, self.tell = target, timeouts, tell

    async def __aenter__(self) -> Dashboard:
        await self.target.ready(self.tell)
        self.endpoint = Endpoint(self.target.connect(), self.target.fix, self.timeouts)
        self.url = self.endpoint.url
        self.client = open_async_client(self.endpoint)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def version(self) -> Mapping[str, Any]:
        """`ray_version` and `session_name` of the cluster."""
        return await self.json("GET", paths.VERSION)

    async def nodes(self) -> list[Mapping[str, Any]]:
        """The live nodes, as listed by the state API."""
        return [node for node in await self.state("nodes") if node.get("state") == "ALIVE"]

    async def state(self, what: str, query: str = "", most: int = 10_000) -> list[Mapping[str, Any]]:
        """A detailed list from the state API; `query` contains its filters."""
        reply = await self.json("GET", paths.state(what, query, most))
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
        """The job with that submission id; None if it does not exist on the cluster."""
        reply = await self.request("GET", paths.job(submission_id), accept={200, 404})
        if reply.status_code == 404:
            return None
        job = job_of(self.endpoint.parsed(reply))
        if job.submission_id and job.status not in STATUSES:
            raise ServerError(
                f"{self.url} reports the status {job.status!r} for job {submission_id}, which is not a Ray status.",
                self.target.fix,
            )
        return job

    async def jobs(self) -> list[Job]:
        """All submissions, newest last."""
        reply = await self.request("GET", paths.JOBS)
        found = map(job_of, answers.rows(self.endpoint.parsed(reply, list)))
        return sorted((job for job in found if job.submission_id), key=lambda job: job.started)

    async def submit(self, body: Mapping[str, Any]) -> None:
        """Submit a job. Success means only that the cluster accepted it. Raises UsageError for invalid UTF-8."""
        if name := not_text(body):
            raise UsageError(f"Could not submit the job: {name} is not valid UTF-8.", "encode it as UTF-8")
        await self.request(
            "POST", paths.JOBS, json=dict(body), timeout=self.timeouts.of(self.timeouts.submit)
        )

    async def stop(self, submission_id: str) -> None:
        """Request that a job stop. It may take some seconds to stop, or may already have finished."""
        await self.request("POST", paths.job(submission_id) + "/stop")

    async def logs(self, submission_id: str) -> str:
        """A job's complete log up to now."""
        reply = await self.json("GET", paths.job(submission_id) + "/logs")
        return answers.text(reply.get("logs"))

    async def has_package(self, uri: str) -> bool:
        """Whether the cluster has the package. The request also makes the cluster keep it for some minutes."""
        reply = await self.request("GET", paths.package(uri), accept={200, 404})
        return reply.status_code == 200

    async def put_package(self, uri: str, package: bytes) -> None:
        """Upload a package under its URI."""
        await self.request(
            "PUT", paths.package(uri), content=package, timeout=self.timeouts.of(self.timeouts.upload)
        )

    @asynccontextmanager
    async def log_chunks(self, node: str, name: str, lines: int = -1) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes in a node's log file up to its current end: the whole file, or only the last lines."""
        try:
            async with self.client.stream("GET", paths.log(node, name, lines)) as reply:
                if reply.status_code != 200:
                    raise self.endpoint.refusal(reply)
                yield reply.aiter_bytes()
        except UNFINISHED as fault:
            raise self.endpoint.unreachable(fault) from None

    async def json(self, method: str, path: str) -> Mapping[str, Any]:
        """Return a JSON object from the server."""
        value: Mapping[str, Any] = self.endpoint.parsed(await self.request(method, path))
        return value

    async def request(
        self, method: str, path: str, accept: frozenset[int] | set[int] = frozenset({200}), **more: Any
    ) -> httpx.Response:
        """One bounded request. Raises ServerError for a status that is not in `accept`."""
        try:
            reply = await self.client.request(method, path, **more)
        except UNFINISHED as fault:
            raise self.endpoint.unreachable(fault) from None
        if reply.status_code not in accept:
            raise self.endpoint.refusal(reply)
        return reply


def not_text(value: object, name: str = "the request") -> str:
    """The name of the first string with a lone surrogate, a sign of invalid UTF-8; "" if there is none."""
    if isinstance(value, Mapping):
        return next((found for key, one in value.items() if (found := not_text(one, str(key)))), "")
    if isinstance(value, list | tuple):
        return next((found for one in value if (found := not_text(one, name))), "")
    return name if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value) else ""
