"""Runs etcd and the API server until one of them ends."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from aiohttp import web

from cloud.identity.tokens import write_private
from cloud.kubernetes import api as client
from cloud.kubernetes.api import NotAnswering, Rejected
from cloud.kubernetes.apiserver import certificates, commands, contents, credentials
from cloud.kubernetes.apiserver.commands import Listen

log = logging.getLogger("raydock.kubernetes")

PORT, HEALTH_PORT = 6443, 8083
HOST = "kubernetes.raydock.internal"  # this service's name on the network that it shares with the controller
PAUSE = 0.2  # seconds between checks while it starts
DEADLINE = 120.0  # seconds until it must be ready
STOP = 10.0  # seconds for a program to stop


class Ended(Exception):
    """A program ended, or the API server was not ready in time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`programs` is the folder with etcd and kube-apiserver, `port` the published one, `project` Google Cloud's."""

    programs: Path
    state: Path
    port: int
    project: str


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run both programs until `stop` is set. Raises Ended if one of them ends."""
    folder = settings.state
    certificates.ensure(folder, HOST)
    credentials.ensure(folder)
    address = socket.gethostbyname(socket.gethostname())
    listen = Listen("0.0.0.0", PORT, 2379, 2380, address)
    started = [
        await start(commands.etcd(settings.programs, folder, listen)),
        await start(commands.api_server(settings.programs, folder, listen)),
    ]
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(one) for one in (fill(settings), *map(end, started))
    ]
    stopped: asyncio.Task[Any] = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
    finally:
        for task in (stopped, *tasks):
            task.cancel()
        for program in reversed(started):
            await terminate(program)


async def start(words: Sequence[str]) -> asyncio.subprocess.Process:
    """Start a program; its output goes to this service's log."""
    return await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL)


async def end(program: asyncio.subprocess.Process) -> NoReturn:
    """Wait until a program ends. Raises Ended."""
    raise Ended(f"a program of the Kubernetes API server ended with exit code {await program.wait()}")


async def terminate(program: asyncio.subprocess.Process) -> None:
    """Stop a program."""
    with suppress(ProcessLookupError):
        program.terminate()
        try:
            async with asyncio.timeout(STOP):
                await program.wait()
        except TimeoutError:
            program.kill()
            await program.wait()


async def fill(settings: Settings) -> None:
    """Wait until the server is ready, create what it contains, and answer health checks until cancelled."""
    folder = settings.state
    token = credentials.token(folder, credentials.CONTROLLER)
    authority = folder / certificates.CERTIFICATE
    async with client.opened(f"https://127.0.0.1:{PORT}", token, authority) as api:
        try:
            async with asyncio.timeout(DEADLINE):
                await until_ready(api, settings.project)
        except TimeoutError:
            raise Ended(f"the Kubernetes API server was not ready within {DEADLINE:g} s") from None
        write_private(folder / credentials.KUBECONFIG, credentials.kubeconfig(folder, settings.port).encode())
        runner = web.AppRunner(health(api), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", HEALTH_PORT).start()
            log.info("the Kubernetes API server is up")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


async def until_ready(api: client.Api, project: str) -> None:
    """Wait for the server, and create what it contains."""
    while True:
        with suppress(Rejected, NotAnswering):
            await api.call("GET", "/readyz")
            await contents.create(api, project)
            if await contents.is_ready(api):
                return
        await asyncio.sleep(PAUSE)


def health(api: client.Api) -> web.Application:
    """The container's health check."""

    async def handle(_: web.Request) -> web.Response:
        try:
            await api.call("GET", "/readyz")
        except (Rejected, NotAnswering) as fault:
            return web.Response(status=503, text=str(fault))
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/health", handle)
    return app
