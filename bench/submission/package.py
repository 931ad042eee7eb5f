"""Submits a tree of 2,000 files, and measures the packaging time and the bytes uploaded, first and when unchanged.

A proxy in front of the dashboard counts the bytes uploaded for packages (the bodies of PUT requests). Packaging is
timed in this process with a warm page cache. Ours is `tree_contents`, `digest` and `pack`, and stock is the functions
that `ray job submit` calls.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bench.measure import command
from bench.measure.commands import run_checked, wait_until_idle
from bench.measure.paired_runs import Setting, alternate, seconds
from bench.measure.proxy import Proxy, proxied
from bench.measure.statistics import Aim, Comparison, Of
from bench.measure.tree import plant


@dataclass(frozen=True, slots=True)
class Sent:
    """One submission: the bytes uploaded for packages, and the command's duration in seconds."""

    uploaded: int
    seconds: float


def measure(setting: Setting) -> list[Comparison]:
    """Compare uploads, then packaging."""
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        tree = plant(Path(folder) / "tree", name=str(time.time_ns()))
        return [*sending_rows(setting, tree), *packaging_rows(setting, tree, Path(folder))]


def sending_rows(setting: Setting, tree: Path) -> list[Comparison]:
    """Submit the tree once, then repeatedly without changes."""
    where = urlsplit(setting.address)
    with proxied(where.hostname or "", where.port or 80) as proxy:
        ours = command.ours("--address", proxy.address, "--working-dir", tree, "--no-wait", tree / "job.py")
        stock = command.stock(
            "--address", proxy.address, "--working-dir", tree, "--no-wait", "--", "python", "job.py"
        )
        setting.say("  the first time:")
        first = [send(setting, proxy, words) for words in (ours, stock)]
        setting.say(f"  ours {first[0].uploaded:,} bytes, stock {first[1].uploaded:,} bytes; unchanged:")
        again = alternate(
            setting,
            lambda: send(setting, proxy, ours),
            lambda: send(setting, proxy, stock),
            lambda sent: f"{sent.uploaded:,} bytes in {seconds(sent.seconds)}",
        )
    uploaded = [[float(sent.uploaded) for sent in runs] for runs in again]
    wall = [[sent.seconds for sent in runs] for runs in again]
    once = [[float(sent.uploaded)] for sent in first]
    return [
        Comparison.of(
            "2,000 files, unchanged: bytes uploaded", "bytes", uploaded[0], uploaded[1], Aim(Of.OURS, 0)
        ),
        Comparison.of("2,000 files, unchanged: the whole command (`--no-wait`)", "s", wall[0], wall[1]),
        Comparison.of("2,000 files, first time: bytes uploaded", "bytes", once[0], once[1]),
    ]


def send(setting: Setting, proxy: Proxy, words: list[str]) -> Sent:
    """Submit through the proxy, then wait until the cluster is idle again."""
    proxy.take()
    done = run_checked(words)
    uploaded = sum(request.body for request in proxy.take() if request.method == "PUT")
    wait_until_idle(setting.address)
    return Sent(uploaded, done.ended - done.started)


def packaging_rows(setting: Setting, tree: Path, folder: Path) -> list[Comparison]:
    """Time how long it takes to name the package (in every submission) and to build it (in the first submission)."""
    from ray._private.runtime_env.packaging import create_package, get_uri_for_directory

    from submit.package import digest, pack, tree_contents

    def stock_first() -> None:
        target = folder / f"{time.time_ns()}.zip"
        get_uri_for_directory(str(tree))
        create_package(str(tree), target, logger=logging.getLogger("bench.stock"))
        target.read_bytes()
        target.unlink()

    def ours_first() -> None:
        contents = tree_contents(tree)
        pack(contents, digest(contents))

    setting.say("  packaging, unchanged:")
    named = alternate(
        setting,
        lambda: timed(lambda: digest(tree_contents(tree))),
        lambda: timed(lambda: get_uri_for_directory(str(tree))),
        seconds,
    )
    setting.say("  packaging, first time:")
    built = alternate(setting, lambda: timed(ours_first), lambda: timed(stock_first), seconds)
    return [
        Comparison.of("2,000 files, unchanged: packaging", "s", named[0], named[1], Aim(Of.RATIO, 1.0)),
        Comparison.of("2,000 files, first time: packaging", "s", built[0], built[1]),
    ]


def timed(work: Callable[[], object]) -> float:
    """The duration of `work` in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
