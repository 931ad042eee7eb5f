"""Starts the Vertex AI control plane: `python -m cloud.controlplane --control NAME`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from functools import partial

from cloud import config, state_file
from cloud.controlplane import config as own_config
from cloud.controlplane.autoscaling.reader import read_load
from cloud.controlplane.autoscaling.scaler import Autoscaler
from cloud.controlplane.endpoints.dashboard import PORT
from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.lifecycle import store
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.nodes.engine import ContainerNodes
from cloud.controlplane.permission import Permission
from cloud.controlplane.server import ControlPlane
from cloud.faults import active
from cloud.identity.access import Access
from cloud.identity.tokens import Tokens, load_secret
from cloud.network.certificates import Authority
from cloud.signals import stop_event
from iam.errors import IamError
from raydock import versions
from raydock.startup import StartupFailure


def main(argv: Sequence[str]) -> int:
    """Run the control plane until it receives a signal.

    Returns 0. If it can't start, prints a StartupFailure and returns 1.
    """
    options = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(serve(options))
    except (IamError, OSError) as fault:
        failure = StartupFailure.of("vertex", fault)
    except NodesFailed as fault:
        failure = StartupFailure("vertex", str(fault))
    else:
        return 0
    print(failure.line(), file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    """The parser for `python -m cloud.controlplane`."""
    top = argparse.ArgumentParser(
        prog="python -m cloud.controlplane", description="Runs Vertex AI's control plane for the lab."
    )
    top.add_argument(
        "--control",
        required=True,
        metavar="NAME",
        help="this container's host name on the network it shares with the `cloud` service",
    )
    return top


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    plane = build()
    stop = stop_event()
    folder = config.state_folder(os.environ)
    tls = Authority(folder / "ca.pem", folder / "leaf.pem").server_context(["http/1.1", "h2"])
    try:
        await plane.start(socket.gethostbyname(options.control))
        await plane.open("0.0.0.0", 443, tls)
        log = logging.getLogger("raydock.vertex")
        log.info("the Vertex AI control plane is up")
        if warning := versions.support_warning(versions.RAY_MINOR):
            log.warning(warning)
        await stop.wait()
    finally:
        await plane.close()


def build() -> ControlPlane:
    """The control plane for the current settings. It reads the policies and the token secret that `cloud` saves."""
    lab, own = config.state_folder(os.environ), own_config.read(os.environ)
    faults = active.load(lab / active.FILE, follows=True)
    tokens = Tokens(load_secret(lab), cut_lifetime=faults.token_seconds)  # it only verifies them
    saved = state_file.StateFile(lab / "world.json")
    engine = ContainerNodes(own.socket, own.project, own.prefix, os.environ, own.images)
    clusters = Clusters(store.load(own.state), engine, own.ready)
    autoscaler = Autoscaler(clusters, partial(read_load, port=PORT), own.idle)
    permission = Permission(lambda: Access(saved.current(), tokens))
    return ControlPlane(clusters, permission, autoscaler=autoscaler, faults=faults)
