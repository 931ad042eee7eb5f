"""Measures what the record of permission decisions costs the lab's storage: the same server with and without it.

Small objects are the worst case: the record's cost per call does not depend on an object's size. The server's CPU time
is less noisy than the duration, which includes the client's work.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure.command import ROOT
from bench.measure.paired_runs import Setting, alternate
from bench.measure.statistics import Aim, Comparison, Of
from cloud import state_file
from cloud.decisions.journal import Journal
from cloud.decisions.recorder import Recorder
from cloud.identity.tokens import Tokens
from cloud.server import Cloud
from cluster import ports
from iam.lab.settings import FILE as LAB_FILE

CLIENT = ROOT / "bench" / "jobs" / "decisions.py"
UPLOADS = 100  # per run, each with four downloads
AIM = Aim(Of.RATIO, 1.03)


@dataclass(frozen=True, slots=True)
class Run:
    """One run, in seconds: its duration, and the server's CPU time."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Server:
    """The lab's storage in a thread of this process, and a client in another process."""

    cloud: Cloud
    thread: threading.Thread
    journal: Journal
    client: subprocess.Popen[str]

    def run(self, journal: Journal | None) -> Run:
        """One run, with or without a journal."""
        assert self.client.stdin
        assert self.client.stdout
        self.cloud.record.flush()
        self.cloud.record.journal = journal
        clock = time.pthread_getcpuclockid(self.thread.ident or 0)
        began = time.clock_gettime(clock)
        self.client.stdin.write(f"{UPLOADS}\n")
        self.client.stdin.flush()
        wall = float(self.client.stdout.readline())
        return Run(wall, time.clock_gettime(clock) - began)


def measure(setting: Setting) -> list[Comparison]:
    """Compare calls with and without the record."""
    with server() as found:
        ours, stock = alternate(setting, lambda: found.run(found.journal), lambda: found.run(None), shown)
    what = f"{5 * UPLOADS:,} calls on 1 KB objects, with the record of decisions; stock: without"
    return [
        Comparison.of(what, "s", [one.wall for one in ours], [one.wall for one in stock], AIM),
        Comparison.of(f"{what}: CPU", "s", [one.cpu for one in ours], [one.cpu for one in stock], AIM),
    ]


def shown(run: Run) -> str:
    """One run as text."""
    return f"{run.wall:.3f} s, {run.cpu:.3f} s CPU"


@contextmanager
def server() -> Iterator[Server]:
    """Start the storage and the client."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), ports.pick(1, set())[0]
        journal = Journal(folder / "decisions")
        tokens = Tokens(b"bench" * 8)
        cloud = Cloud(
            state_file.load(LAB_FILE, None),
            tokens,
            folder / "objects",
            "lab-project",
            record=Recorder(journal),
        )
        thread.start()
        asyncio.run_coroutine_threadsafe(cloud.open_emulator(port), loop).result(60)
        client = subprocess.Popen(
            [sys.executable, str(CLIENT), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield Server(cloud, thread, journal, client)
        finally:
            client.communicate("")
            asyncio.run_coroutine_threadsafe(cloud.close(), loop).result(60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(60)
            loop.close()
