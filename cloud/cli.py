"""Starts the lab's Google Cloud: `python -m cloud networks NAME=ROLE ...` or `python -m cloud loopback`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence

from cloud import config, state_file
from cloud.gateway import proxy
from cloud.gateway.job_limit import Room
from cloud.google_errors import ApiError
from cloud.identity.node_metadata import NodeListeners
from cloud.identity.tokens import Tokens, load_secret, write_private
from cloud.network.certificates import load_authority
from cloud.network.egress import Egress
from cloud.server import Cloud, Network
from iam.errors import IamError

OWN_PORT = 8080
GATEWAY_PORT = 8265


def main(argv: Sequence[str]) -> int:
    """0 after a signal to end; 1 with one sentence where it can't start."""
    options = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(serve(options))
    except (IamError, ApiError, OSError) as fault:
        fix = getattr(fault, "fix", "")
        print(f"cloud: {fault}" + (f"\n  {fix}" if fix else ""), file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m cloud", description="The lab's Google Cloud.")
    ways = top.add_subparsers(dest="way", required=True, metavar="WAY")
    networks = ways.add_parser("networks", help="in a container, for containers on its networks")
    networks.add_argument("networks", nargs="+", metavar="NAME=job|person", help="our name in a network")
    loopback = ways.add_parser("loopback", help="as a process, for processes of this machine")
    for door in ("gateway", "metadata", "emulator", "own"):
        loopback.add_argument(f"--{door}-port", type=int, required=True)
    return top


async def serve(options: argparse.Namespace) -> None:
    """Until a signal says to end."""
    settings = config.read(os.environ)
    known = state_file.load(settings.lab, settings.state, settings.job)
    tokens = Tokens(load_secret(settings.state), settings.token_seconds)
    cloud = Cloud(known, tokens, settings.objects, settings.project, settings.vertex)
    key = kept_key(settings)
    room = Room(settings.jobs)
    gate = proxy.Gate(dashboard=settings.dashboard, key_sha256=key, secret=tokens.secret, room=room)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        await (in_container if options.way == "networks" else on_loopback)(cloud, gate, settings, options)
        logging.getLogger("cloud").info("the lab's cloud is up: jobs run as %s", known.job)
        await ended.wait()
    finally:
        await cloud.close()


def kept_key(settings: config.CloudSettings) -> str:
    """The digest of the key, kept so that a plain `docker compose` command, which does not know it, changes nothing."""
    kept = settings.state / "key_sha256"
    if settings.key_sha256:
        write_private(kept, settings.key_sha256.encode())
        return settings.key_sha256
    return kept.read_text() if kept.exists() else ""


async def in_container(
    cloud: Cloud, gate: proxy.Gate, settings: config.CloudSettings, options: argparse.Namespace
) -> None:
    authority, way_out = load_authority(settings.state), Egress(also=settings.way_out)
    for word in options.networks:
        name, _, role = word.partition("=")
        if role not in ("job", "person"):
            raise IamError(f"{word} names no role.", "Write NAME=job or NAME=person")
        address = socket.gethostbyname(name)
        await cloud.open_network(Network(address, role), authority, way_out)
    if settings.vertex:
        doors = NodeListeners(
            settings.vertex, lambda at: cloud.open_network(Network(at, "node"), authority, way_out)
        )
        cloud.following = asyncio.create_task(doors.follow())
    await cloud.open_own(OWN_PORT)
    await cloud.open_gateway(gate, "0.0.0.0", GATEWAY_PORT)


async def on_loopback(
    cloud: Cloud, gate: proxy.Gate, settings: config.CloudSettings, options: argparse.Namespace
) -> None:
    await cloud.open_metadata("127.0.0.1", options.metadata_port, lambda: cloud.world.job)
    await cloud.open_emulator(options.emulator_port)
    await cloud.open_own(options.own_port)
    await cloud.open_gateway(gate, "127.0.0.1", options.gateway_port)
