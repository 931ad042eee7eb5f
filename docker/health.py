"""Health check: exits with 0 if a job would run now. `python health.py head|worker|cloud|vertex`

It runs every second while a cluster starts, so it imports little and queries this node only.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

AGENT = 52365
DASHBOARD = 8265
# Ray's own limit, beyond which it spills no objects to disk (file_system_monitor.cc). Jobs still start while there is
# space for their packages, environments and logs; on a large disk 5 % is plenty.
# raydock/rayapi/cluster_info.py has the same values.
FREE_SHARE = 0.05
FREE_BYTES = 2**30


def ask(port: int, path: str) -> int:
    """The HTTP status of a GET request to this node."""
    connection = HTTPConnection("127.0.0.1", port, timeout=4)
    # Without a User-Agent the dashboard of 2.47.1 fails (KeyError, 500); it treats "Mozilla" as a browser.
    connection.request("GET", path, headers={"User-Agent": "raydock-health"})
    response = connection.getresponse()
    response.read()
    return response.status


def full(root: str) -> str:
    """The message for a disk too full to start jobs; "" if there is enough space."""
    disk = os.statvfs(root)
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    if free >= FREE_BYTES or free >= FREE_SHARE * total:
        return ""
    return (
        f"The head's disk is full ({free / 2**20:,.0f} of {total / 2**20:,.0f} MiB are free at {root}), so jobs can't "
        "start. To see what Docker uses: docker system df. To free what is unused: docker system prune"
    )


# The agent reports that its raylet is alive in the control store, so tasks can be placed here.
WORKER = [(AGENT, "/api/local_raylet_healthz", 200)]
# On the head the agent also starts the jobs' drivers. A 404 for a nonexistent job shows that its job manager
# works, so the dashboard can pass jobs to it.
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
    """Run the checks of a role. Raises SystemExit with a message if one fails."""
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
