"""Measures what the record of permission decisions costs the lab's storage: the same server with and without it.

Small objects are the worst case: the record's cost per call does not depend on an object's size. The effect is smaller
than a machine's drift within minutes, so there are many short runs in pairs, and what counts is the median of the
pairs' ratios. Writing the record is part of each run. The server's CPU time is less noisy than the duration, which
includes the client's work.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure.command import ROOT
from bench.measure.paired_runs import Setting, alternate
from bench.measure.statistics import Aim, Comparison, Of, Sample
from cloud import state_file
from cloud.decisions.call import begin
from cloud.decisions.journal import Journal
from cloud.decisions.recorder import Recorder
from cloud.identity.tokens import Tokens
from cloud.server import Cloud
from cluster import ports
from iam.lab.settings import FILE as LAB_FILE

AGENT = "serviceAccount:service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
CLIENT = ROOT / "bench" / "jobs" / "decisions.py"
UPLOADS = 50  # per run, each with four downloads
CALLS = 5 * UPLOADS
PAIRS = 40  # at least
AIM = Aim(Of.RATIO, 1.03)
SIZE = Aim(Of.OURS, 50_000_000)
DECISIONS = 400_000  # each about another object, so that none are merged: twice as many as the record keeps


@dataclass(frozen=True, slots=True)
class Run:
    """One run, in microseconds per call: its duration, and the server's CPU time."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Server:
    """The lab's storage in a thread of this process, and a client in another process."""

    cloud: Cloud
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    journal: Journal
    client: subprocess.Popen[str]

    def run(self, journal: Journal | None) -> Run:
        """One run, with or without a journal."""
        assert self.client.stdin
        assert self.client.stdout
        self.cloud.record.journal = journal
        clock = time.pthread_getcpuclockid(self.thread.ident or 0)
        gc.collect()
        began, cpu = time.perf_counter(), time.clock_gettime(clock)
        self.client.stdin.write(f"{UPLOADS}\n")
        self.client.stdin.flush()
        self.client.stdout.readline()
        asyncio.run_coroutine_threadsafe(self.flush(), self.loop).result(60)
        taken = time.perf_counter() - began, time.clock_gettime(clock) - cpu
        return Run(*(1e6 * seconds / CALLS for seconds in taken))

    async def flush(self) -> None:
        """Write what is not yet written."""
        self.cloud.record.flush()


def measure(setting: Setting) -> list[Comparison]:
    """Compare calls with and without the record."""
    enough = replace(setting, pairs=max(PAIRS, setting.pairs))
    with server() as found:
        ours, stock = alternate(enough, lambda: found.run(found.journal), lambda: found.run(None), shown)
    what = "a call on a 1 KB object, with the record of decisions; stock: without"
    wall = Comparison.of(what, "µs", [one.wall for one in ours], [one.wall for one in stock], AIM)
    cpu = Comparison.of(f"{what}: CPU", "µs", [one.cpu for one in ours], [one.cpu for one in stock], AIM)
    size = Comparison(
        f"the record after {DECISIONS:,} decisions", "bytes", Sample.of([largest()]), None, SIZE
    )
    return [replace(wall, paired=True), replace(cpu, paired=True), size]


def largest() -> int:
    """The record's largest size in bytes while it is filled."""
    with tempfile.TemporaryDirectory() as name:
        journal, most = Journal(Path(name)), 0
        record = Recorder(journal)
        for n in range(DECISIONS):
            begin("10.0.0.1", "gcloud-python/3.4.0")
            record.decided(
                AGENT, "storage.objects.create", f"projects/_/buckets/lab-data/objects/folder/{n}", True
            )
            if n % 10_000 == 0:
                most = max(most, sum(path.stat().st_size for path in journal.files()))
        return most


def shown(run: Run) -> str:
    """One run as text."""
    return f"{run.wall:.0f} µs, {run.cpu:.0f} µs CPU"


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
            yield Server(cloud, loop, thread, journal, client)
        finally:
            client.communicate("")
            asyncio.run_coroutine_threadsafe(cloud.close(), loop).result(60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(60)
            loop.close()
