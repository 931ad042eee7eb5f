"""Recognize a crash of Ray itself at the end of a failed job's log. Pure."""

from __future__ import annotations

import re

# Before Ray 2.48, a driver may abort while its gRPC server shuts down (src/ray/rpc/grpc_server.cc; ray#53910).
DISCONNECT = re.compile(
    rb"completion_queue\.cc:\d+\] +ASSERTION FAILED: queue\.num_items\(\) == 0\n"
    rb".*\nFatal Python error: Aborted\n\n"
    rb'Stack \(most recent call first\):\n  File "[^"\n]*/ray/_private/worker\.py", line \d+ in shutdown\n',
    re.DOTALL,
)
# SIGABRT, as the shell that runs the entrypoint reports it, or if it has become the driver.
ABORTED = (134, -6)
MESSAGE = "Ray itself crashed as the script disconnected from the cluster (ray-project/ray#53510, fixed in Ray 2.48)."
FIX = "what the script wrote before is complete; for an exit code of 0, send the job again"


def crashed_on_disconnect(tail: bytes, exit_code: int | None) -> bool:
    """Whether a job failed only because its driver aborted as it disconnected."""
    return exit_code in ABORTED and DISCONNECT.search(tail) is not None
