"""Starts the lab's Google Cloud: `python -m cloud networks NAME=ROLE ...` or `python -m cloud loopback`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from cloud import config, state_file
from cloud.decisions.journal import Journal
from cloud.decisions.recorder import Recorder
from cloud.faults import active
from cloud.gateway import proxy
from cloud.gateway.job_limit import JobLimit
from cloud.google_errors import ApiError
from cloud.identity.node_metadata import Close, NodeListeners
from cloud.identity.tokens import Tokens, load_secret, write_private
from cloud.network.certificates import load_authority
from cloud.network.egress import Egress
from cloud.server import Cloud, Door, Network
from cloud.signals import stop_event
from iam.errors import IamError
from raydock.startup import StartupFailure

HEALTH_PORT = 8080
GATEWAY_PORT = 8265


def main(argv: Sequence[str]) -> int:
    """Run the cloud until it receives a signal and return 0. If it can't start, print a StartupFailure and return 1."""
    options = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(serve(options))
    except Exception as fault:
        if not isinstance(fault, (IamError, ApiError, OSError)):
            logging.getLogger("cloud").exception("internal error")
        print(StartupFailure.of("cloud", fault).line(), file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The parser for `python -m cloud`."""
    top = argparse.ArgumentParser(prog="python -m cloud", description="Runs the lab's Google Cloud.")
    modes = top.add_subparsers(dest="mode", required=True, metavar="MODE")
    networks = modes.add_parser(
        "networks", help="run in a container and serve the containers on its networks"
    )
    networks.add_argument(
        "networks",
        nargs="+",
        metavar="NAME=job|user",
        help="this container's host name on a network, and the identity for clients on that network",
    )
    loopback = modes.add_parser("loopback", help="run as a process and serve this machine's processes")
    for listener in ("gateway", "metadata", "emulator", "own"):
        loopback.add_argument(f"--{listener}-port", type=int, required=True)
    return top


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = config.read(os.environ)
    known = state_file.load(settings.lab, settings.state, settings.job)
    record = Recorder(Journal(settings.state / "decisions"))
    faults = active.load(settings.state / active.FILE)
    secret, lifetime = load_secret(settings.state), settings.token_seconds
    tokens = Tokens(secret, lifetime, cut_lifetime=faults.token_seconds)
    cloud = Cloud(known, tokens, settings.objects, settings.project, settings.vertex, faults, record)
    key = saved_key_digest(settings)
    job_limit = JobLimit(settings.jobs)
    gate = proxy.Gate(settings.dashboard, key, secret=secret, job_limit=job_limit)
    stop = stop_event()
    try:
        await (in_container if options.mode == "networks" else on_loopback)(cloud, gate, settings, options)
        logging.getLogger("cloud").info("the lab's cloud is up: jobs run as %s", known.job)
        await stop.wait()
    finally:
        await cloud.close()


def saved_key_digest(settings: config.CloudSettings) -> str:
    """The key's SHA-256 digest, saved in the state folder.

    A plain `docker compose` command does not know the key and must not clear the digest.
    """
    saved = settings.state / "key_sha256"
    if settings.key_sha256:
        write_private(saved, settings.key_sha256.encode())
        return settings.key_sha256
    return saved.read_text() if saved.exists() else ""


async def in_container(
    cloud: Cloud, gate: proxy.Gate, settings: config.CloudSettings, options: argparse.Namespace
) -> None:
    """Open the listeners on each of the container's networks, and the gateway on every address.

    Raises IamError for a network argument that is not NAME=job or NAME=user.
    """
    authority, proxy_rules = load_authority(settings.state), Egress(allow=settings.egress_allow)
    address = ""
    for word in options.networks:
        name, _, role = word.partition("=")
        if role not in ("job", "user"):
            raise IamError(f"Invalid network {word!r}: unknown role {role!r}.", "Write NAME=job or NAME=user")
        address = socket.gethostbyname(name)
        await cloud.open_network(Network(address, role), authority, proxy_rules)
    await cloud.open_health(HEALTH_PORT)
    door = Door(replace(proxy_rules, google=address), authority.pem())
    await cloud.open_gateway(gate, "0.0.0.0", GATEWAY_PORT, door)

    def follow(plane: str) -> Coroutine[Any, Any, None]:
        def opened(at: str) -> Coroutine[Any, Any, Close]:
            return cloud.open_network(Network(at, "node", plane), authority, proxy_rules)

        return NodeListeners(plane, opened).follow()

    planes = filter(None, (settings.vertex, settings.kubernetes))
    cloud.listener_sync = asyncio.gather(*map(follow, planes))


async def on_loopback(
    cloud: Cloud, gate: proxy.Gate, settings: config.CloudSettings, options: argparse.Namespace
) -> None:
    """Open the listeners on 127.0.0.1. Clients without a token act as the job."""
    await cloud.open_metadata("127.0.0.1", options.metadata_port, lambda: cloud.lab_state.job)
    await cloud.open_emulator(options.emulator_port)
    await cloud.open_health(options.own_port)
    await cloud.open_gateway(gate, "127.0.0.1", options.gateway_port)
