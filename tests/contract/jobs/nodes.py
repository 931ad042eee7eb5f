"""A head with 0 CPU and workers of 1 CPU, as processes, moved by a test through a pipe.

`python -m tests.contract.jobs.nodes` prints the address, then answers each line that it reads: `add` adds a
worker, `kill` ends the first one with SIGKILL, `remove` lets it take its leave. It ends, with every node, when
its input ends: whatever becomes of the test, no process stays. A process of its own because Ray's nodes leave
open files and children behind, which pytest counts as errors.
"""

from __future__ import annotations

import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from tests.contract.jobs.running import ROOT


class Nodes:
    """The test's end of the pipe. A dashboard takes ten seconds of a core to start: only a job that asks it has one."""

    def __init__(self, dashboard: bool = False) -> None:
        self.words = ["dashboard"] if dashboard else []

    def __enter__(self) -> Nodes:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.jobs.nodes", *self.words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self.answer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate(timeout=60)

    def kill(self, later: float) -> None:
        """Ends the first worker with SIGKILL, so many seconds from now."""
        time.sleep(later)
        self.ask("kill")

    def ask(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.answer()

    def answer(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        assert line, "the nodes did not start"
        return line


def serve() -> None:
    from ray._private import services
    from ray.cluster_utils import Cluster

    # None: with True Ray raises where a busy machine brings the dashboard up late.
    dashboard = {"include_dashboard": None, "dashboard_port": 0}
    shape = {"num_cpus": 0} | (dashboard if "dashboard" in sys.argv else {"include_dashboard": False})
    cluster = Cluster(initialize_head=True, head_node_args=shape)
    head = cluster.head_node
    workers: list[Any] = []
    try:
        print(cluster.address, flush=True)
        for line in sys.stdin:
            if line.strip() == "add":
                number = len(workers) + 1
                # An IP address each, so that the driver belongs to the head's node, as it does on a cluster
                # of machines: where nodes share the driver's address, it may belong to the one that is killed.
                # A driver looks up its address in the session's folder, where the last node wrote its own.
                worker = {"node_name": f"cpu-worker-{number}", "node_ip_address": f"127.0.0.{number + 1}"}
                workers.append(cluster.add_node(num_cpus=1, labels={"pool": "cpu-worker"}, **worker))
                services.write_node_ip_address(head.get_session_dir_path(), head.node_ip_address)
            else:
                cluster.remove_node(workers.pop(0), allow_graceful=line.strip() == "remove")
            print("done", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    serve()
