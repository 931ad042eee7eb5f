"""Sending a tree of 2,000 files: what crosses the wire the first time and when nothing has changed, and how long
packaging takes.

The bytes are those of packages (bodies of PUT requests), counted in a proxy before the dashboard. Packaging is
timed within this process, on files that the page cache holds: for ours `tree_contents` and `digest`, and `pack`;
for stock the functions that `ray job submit` calls.
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
from bench.measure.commands import ran, wait_until_idle
from bench.measure.paired_runs import Setting, alternated, seconds
from bench.measure.proxy import Proxy, proxied
from bench.measure.statistics import Aim, Comparison, Of
from bench.measure.tree import plant


@dataclass(frozen=True, slots=True)
class Sent:
    """One submission: bytes of packages uploaded, and seconds that the command took."""

    uploaded: int
    seconds: float


def measure(setting: Setting) -> list[Comparison]:
    with TemporaryDirectory(prefix="raydock-bench-") as folder:
        tree = plant(Path(folder) / "tree", name=str(time.time_ns()))
        return [*sending_rows(setting, tree), *packaging_rows(setting, tree, Path(folder))]


def sending_rows(setting: Setting, tree: Path) -> list[Comparison]:
    """The tree sent once, then again and again, unchanged."""
    where = urlsplit(setting.address)
    with proxied(where.hostname or "", where.port or 80) as proxy:
        ours = command.ours("--address", proxy.address, "--working-dir", tree, "--no-wait", tree / "job.py")
        stock = command.stock(
            "--address", proxy.address, "--working-dir", tree, "--no-wait", "--", "python", "job.py"
        )
        setting.say("  the first time:")
        first = [send(setting, proxy, words) for words in (ours, stock)]
        setting.say(f"  ours {first[0].uploaded:,} bytes, stock {first[1].uploaded:,} bytes; unchanged:")
        again = alternated(
            setting,
            lambda: send(setting, proxy, ours),
            lambda: send(setting, proxy, stock),
            lambda sent: f"{sent.uploaded:,} bytes in {seconds(sent.seconds)}",
        )
    uploaded = [[float(sent.uploaded) for sent in way] for way in again]
    wall = [[sent.seconds for sent in way] for way in again]
    once = [[float(sent.uploaded)] for sent in first]
    return [
        Comparison.of(
            "2,000 files, unchanged: bytes uploaded", "bytes", uploaded[0], uploaded[1], Aim(Of.OURS, 0)
        ),
        Comparison.of("2,000 files, unchanged: the whole command (`--no-wait`)", "s", wall[0], wall[1]),
        Comparison.of("2,000 files, first time: bytes uploaded", "bytes", once[0], once[1]),
    ]


def send(setting: Setting, proxy: Proxy, words: list[str]) -> Sent:
    """Submits through the proxy, and waits until the cluster is idle again."""
    proxy.take()
    done = ran(words)
    uploaded = sum(request.body for request in proxy.take() if request.method == "PUT")
    wait_until_idle(setting.address)
    return Sent(uploaded, done.ended - done.started)


def packaging_rows(setting: Setting, tree: Path, folder: Path) -> list[Comparison]:
    """Naming the package, which each submission does; and making it, which the first one does."""
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
    named = alternated(
        setting,
        lambda: timed(lambda: digest(tree_contents(tree))),
        lambda: timed(lambda: get_uri_for_directory(str(tree))),
        seconds,
    )
    setting.say("  packaging, first time:")
    made = alternated(setting, lambda: timed(ours_first), lambda: timed(stock_first), seconds)
    return [
        Comparison.of("2,000 files, unchanged: packaging", "s", named[0], named[1], Aim(Of.RATIO, 1.0)),
        Comparison.of("2,000 files, first time: packaging", "s", made[0], made[1]),
    ]


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
