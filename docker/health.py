"""Checks the health of a node or service: `python health.py head`, or another one of ROLES.

Exits with 0 if a job could run now.

It runs every second while a cluster starts, and once a minute in every container after that. It therefore queries only
this node, and does without http.client, whose import would take longer than everything else.
"""

import os
import socket
import sys

AGENT = 52365
DASHBOARD = 8265
# FREE_SHARE is Ray's own limit, below which it stops spilling objects to disk (file_system_monitor.cc). Jobs can start
# as long as there is space for their packages, environments and logs, and on a large disk even less than 5% is enough.
# raydock/rayapi/cluster_info.py uses the same values.
FREE_SHARE = 0.05
FREE_BYTES = 2**30


def ask(port: int, path: str) -> int:
    """Send a GET request to this node and return the HTTP status."""
    # Without a User-Agent, Ray 2.47.1's dashboard fails (KeyError, status 500). "Mozilla" would count as a browser.
    request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nUser-Agent: raydock-health\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=4) as connection:
        connection.sendall(request.encode())
        reply = connection.makefile("rb").read()
    words = reply.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise OSError(f"not an HTTP response: {reply[:40]!r}")
    return int(words[1])


def full(root: str) -> str:
    """The message for a disk that is too full to start jobs, or "" if there is enough space."""
    disk = os.statvfs(root)
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    if free >= FREE_BYTES or free >= FREE_SHARE * total:
        return ""
    return (
        f"The head's disk is full ({free / 2**20:,.0f} of {total / 2**20:,.0f} MiB are free at {root}), so jobs can't "
        "start. To see Docker's disk usage: docker system df. To delete unused data: docker system prune"
    )


# The agent confirms that its raylet is alive according to the control store, so tasks can be placed here.
WORKER = [(AGENT, "/api/local_raylet_healthz", 200)]
# On the head, the agent also starts the jobs' drivers. A 404 for a nonexistent job shows that its job manager works, so
# the dashboard can pass jobs to it.
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
    "kubernetes": [(8083, "/health", 200)],
    "kuberay": [(8082, "/health", 200)],
}


def main(role: str) -> None:
    """Run the checks for a role. Raises SystemExit with a message if one fails."""
    root = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    if role == "head" and (sentence := full(root)):
        raise SystemExit(sentence)
    for port, path, expected in ROLES[role]:
        try:
            status = ask(port, path)
        except OSError as error:
            raise SystemExit(f"{port}{path}: {error!r}") from None
        if status != expected:
            raise SystemExit(f"{port}{path}: status {status}; expected {expected}")


if __name__ == "__main__":
    main(sys.argv[1])
