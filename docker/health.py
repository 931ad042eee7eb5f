"""Says whether a job would run now, by its exit status: `python health.py head|worker|cloud|vertex`.

Run every second while a cluster starts, so it imports little and asks this node only.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

AGENT = 52365
DASHBOARD = 8265
# Ray's own limit: beyond it no object goes to the disk (file_system_monitor.cc). Jobs start there as long as there is
# room for their packages, environments and logs; on a large disk 5 % are plenty.
# raydock/rayapi/cluster_info.py has the same.
FREE_SHARE = 0.05
FREE_BYTES = 2**30


def ask(port: int, path: str) -> int:
    """The HTTP status of a GET on this node."""
    connection = HTTPConnection("127.0.0.1", port, timeout=4)
    # Without a User-Agent the dashboard of 2.47.1 fails (KeyError, 500); "Mozilla" it takes for a browser.
    connection.request("GET", path, headers={"User-Agent": "raydock-health"})
    response = connection.getresponse()
    response.read()
    return response.status


def full(root: str) -> str:
    """The sentence for a disk on which no job could start; "" where there is room."""
    disk = os.statvfs(root)
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    if free >= FREE_BYTES or free >= FREE_SHARE * total:
        return ""
    return (
        f"The head's disk is full ({free / 2**20:,.0f} of {total / 2**20:,.0f} MiB are free at {root}), so jobs can't "
        "start. To see what Docker holds: docker system df. To free what it does not use: docker system prune"
    )


# The agent says that its raylet is alive in the control store: tasks can be placed here.
WORKER = [(AGENT, "/api/local_raylet_healthz", 200)]
# On the head the same agent starts a job's driver. It looks for a job that is not there (404), which
# shows that its job manager works; the dashboard then passes jobs to it.
HEAD = [
    *WORKER,
    (DASHBOARD, "/api/version", 200),
    (DASHBOARD, "/api/jobs/", 200),
    (AGENT, "/api/job_agent/jobs/health/logs", 404),
]
ROLES = {
    "head": HEAD,
    "worker": WORKER,
    "cloud": [(8080, "/health", 200)],
    "vertex": [(8082, "/health", 200)],
}


def main(role: str) -> None:
    root = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    if role == "head" and (sentence := full(root)):
        raise SystemExit(sentence)
    for port, path, expected in ROLES[role]:
        try:
            status = ask(port, path)
        except (OSError, HTTPException) as error:
            raise SystemExit(f"{port}{path}: {error!r}") from None
        if status != expected:
            raise SystemExit(f"{port}{path}: status {status}, not {expected}")


if __name__ == "__main__":
    main(sys.argv[1])
