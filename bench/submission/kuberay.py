"""Compares `submit.py --target kuberay` with `ray job submit`, both through the API server's service proxy.

The cluster is the only RayCluster in the current context and namespace of the kubeconfig.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.measure import command
from bench.measure.command import HEADERS, Unexpected
from bench.measure.commands import sending
from bench.measure.paired_runs import Setting, alternate, seconds
from bench.measure.statistics import Aim, Comparison, Of
from bench.submission.exit import rows_of, run_job, shown
from bench.submission.first_line import until_first
from raydock.errors import RaydockError

PATH = "service proxy of a Kubernetes API server"


@dataclass(frozen=True, slots=True)
class Proxied:
    """The dashboard behind the proxy: its cluster's name, its URL, and the file with the server's certificate."""

    cluster: str
    url: str
    authority: str

    def ours(self, script: Path, *arguments: str) -> list[str]:
        """The submit.py command."""
        return command.ours("--target", "kuberay", "--cluster", self.cluster, script, "--", *arguments)

    def stock(self, script: Path, *arguments: str) -> list[str]:
        """The `ray job submit` command."""
        verify = ("--verify", self.authority) if self.authority else ()
        options = ("--address", self.url, *verify, "--working-dir", script.parent)
        return command.stock(*options, "--", "python", script.name, *arguments)


def measure(setting: Setting) -> list[Comparison]:
    """Measure the time to the first line, and from the job's end to the command's."""
    with proxied() as found:
        return [first_line(setting, found), *exits(setting, found)]


def first_line(setting: Setting, found: Proxied) -> Comparison:
    """The row for the time to the first line."""
    with sending("marker", found.url) as commands:
        ours, stock = alternate(
            setting,
            lambda: until_first(found.ours(commands.script)),
            lambda: until_first(found.stock(commands.script)),
            seconds,
        )
    return Comparison.of(f"submit → job's first line visible, {PATH}", "s", ours, stock, Aim(Of.RATIO, 0.5))


def exits(setting: Setting, found: Proxied) -> list[Comparison]:
    """The rows for a job that succeeds."""
    with sending("end", found.url) as commands:
        ours, stock = alternate(
            setting,
            partial(run_job, found.ours(commands.script, "0"), 0),
            partial(run_job, found.stock(commands.script, "0"), 0),
            shown,
        )
    return rows_of(f"successful job, {PATH}", ours, stock)


@contextmanager
def proxied() -> Iterator[Proxied]:
    """The cluster, with the caller's headers where `ray job submit` reads them. Raises Unexpected without a cluster."""
    from kuberay import kubeconfig, lookup
    from kuberay.client import KubeClient

    try:
        context = kubeconfig.load()
        with KubeClient(context) as client:
            cluster = lookup.find(client, "", ("GET", "POST", "PUT"))
        connection = lookup.dashboard(context, cluster)
    except RaydockError as fault:
        raise Unexpected(f"{fault.message}\n      → {fault.fix}") from None
    os.environ[HEADERS] = json.dumps(dict(connection.headers()))
    try:
        with tempfile.TemporaryDirectory() as folder:
            authority = Path(folder, "authority.pem")
            authority.write_text(context.authority())
            yield Proxied(cluster.name, connection.base_url, str(authority) if context.authority() else "")
    finally:
        del os.environ[HEADERS]
