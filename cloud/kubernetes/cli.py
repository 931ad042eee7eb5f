"""Starts Kubernetes in the lab: `python -m cloud.kubernetes apiserver` and `… controller --control NAME`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from cloud.identity.node_metadata import IDENTITY_PORT
from cloud.kubernetes import api as client
from cloud.kubernetes import config
from cloud.kubernetes.apiserver import certificates, credentials, supervisor
from cloud.kubernetes.apiserver.supervisor import HOST, PORT
from cloud.kubernetes.controller import Controller
from cloud.kubernetes.pod_identity import PodIdentity
from cloud.kubernetes.pods.containers import Containers
from cloud.signals import stop_event
from iam.errors import IamError
from raydock.startup import StartupFailure

SERVICES = {"apiserver": "kubernetes", "controller": "kuberay"}  # the Compose service of each command


def main(argv: Sequence[str]) -> int:
    """Run one of the two until it receives a signal.

    Returns 0. If it can't start, prints a StartupFailure and returns 1.
    """
    options = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    service = SERVICES[options.command]
    try:
        asyncio.run(serve(options))
    except (IamError, OSError) as fault:
        failure = StartupFailure.of(service, fault)
    except supervisor.Ended as fault:
        failure = StartupFailure(service, str(fault), f"See its log: docker compose logs {service}")
    else:
        return 0
    print(failure.line(), file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    """The parser for `python -m cloud.kubernetes`."""
    top = argparse.ArgumentParser(
        prog="python -m cloud.kubernetes", description="Runs Kubernetes in the lab."
    )
    verbs = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verbs.add_parser("apiserver", help="run etcd and the API server")
    controller = verbs.add_parser("controller", help="run the pods of RayClusters as containers")
    controller.add_argument(
        "--control",
        required=True,
        metavar="NAME",
        help="this container's host name on the network it shares with `cloud` and the API server",
    )
    return top


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = stop_event()
    if options.command == "apiserver":
        await supervisor.serve(config.server(os.environ), stop)
    else:
        await control(options.control, stop)


async def control(host: str, stop: asyncio.Event) -> None:
    """Run the controller, and the server for pods' identities at that host name."""
    settings = config.controller(os.environ)
    token = credentials.token(settings.state, credentials.CONTROLLER)
    containers = Containers(settings.socket, settings.compose_project, os.environ)
    async with client.opened(
        f"https://{HOST}:{PORT}", token, settings.state / certificates.CERTIFICATE
    ) as api:
        runner = web.AppRunner(PodIdentity(api, containers, settings.project).application(), access_log=None)
        await runner.setup()
        loop: asyncio.Task[Any] = asyncio.create_task(Controller(api, containers).run())
        stopped: asyncio.Task[Any] = asyncio.create_task(stop.wait())
        try:
            for address in (socket.gethostbyname(host), "127.0.0.1"):
                await web.TCPSite(runner, address, IDENTITY_PORT).start()
            logging.getLogger("raydock.kubernetes").info("KubeRay's controller is up")
            done, _ = await asyncio.wait([loop, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            loop.cancel()
            stopped.cancel()
            await runner.cleanup()
