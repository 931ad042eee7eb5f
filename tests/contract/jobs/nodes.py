"""A head with 0 CPUs and workers with 1 CPU each, as processes controlled through a pipe.

`python -m tests.contract.jobs.nodes` prints the address and answers each line of its input with the names of its
workers: `add` adds one, `kill` sends SIGKILL to the first, `remove` shuts the first down gracefully, and `settle` waits
until the head knows exactly these workers. It exits, with every node, at the end of its input, so no process outlives
the test. It is a separate process because Ray's nodes leave open files and children behind, which pytest reports.
"""

from __future__ import annotations

import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from tests.contract.jobs.running import ROOT


class Nodes:
    """The test's end of the pipe. `workers` holds the names of the current workers."""

    def __enter__(self) -> Nodes:
        self.workers: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.jobs.nodes"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self.answer()[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate(timeout=600)

    @property
    def used(self) -> set[tuple[str, str]]:
        """Name and pool of every worker, as in the result of a job that used them all."""
        return {(name, "cpu-worker") for name in self.workers}

    def resize(self, count: int) -> None:
        """Adds or removes workers until there are `count`."""
        while len(self.workers) > count:
            self.ask("remove")
        while len(self.workers) < count:
            self.ask("add")
        self.ask("settle")

    def kill(self, later: float) -> str:
        """Sends SIGKILL to the first worker after `later` seconds and returns its name."""
        time.sleep(later)
        name = self.workers[0]
        self.ask("kill")
        return name

    def ask(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.workers = self.answer()[1:]

    def answer(self) -> list[str]:
        assert self.process.stdout
        line = self.process.stdout.readline().split()
        assert line, "the nodes did not start"
        return line


def serve() -> None:
    from ray._private import services
    from ray.cluster_utils import Cluster

    # A dashboard, since sklearn_joblib uses the state API. None, because with True Ray raises if a busy machine
    # starts it late.
    shape = {"num_cpus": 0, "include_dashboard": None, "dashboard_port": 0}
    cluster = Cluster(initialize_head=True, head_node_args=shape)
    head = cluster.head_node
    workers: dict[str, Any] = {}
    added = 0
    try:
        print(cluster.address, flush=True)
        for line in sys.stdin:
            if line.strip() == "add":
                added += 1
                # Each node has its own IP address, so that the driver belongs to the head node, as on a real
                # cluster. If nodes shared its address, it might belong to the one that is killed. A driver
                # reads its address from the session's folder, where the last node wrote its own.
                name = f"cpu-worker-{added}"
                own = {"node_name": name, "node_ip_address": f"127.0.0.{added + 1}"}
                workers[name] = cluster.add_node(num_cpus=1, labels={"pool": "cpu-worker"}, **own)
                services.write_node_ip_address(head.get_session_dir_path(), head.node_ip_address)
            elif line.strip() == "settle":
                cluster.wait_for_nodes(timeout=600)
            else:
                first = next(iter(workers))
                cluster.remove_node(workers.pop(first), allow_graceful=line.strip() == "remove")
            print("done", *workers, flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    serve()
