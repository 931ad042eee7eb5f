"""Drains idle nodes. Runs on the head, where the control store (GCS) is and only Ray is installed.

    python drain.py HOST:PORT COUNT SECONDS NODE_ID...

Drains the first COUNT of the given nodes, but busy ones only if there are not enough idle ones. Ray places no new
tasks on them, and each raylet exits once its tasks have finished. SECONDS is the deadline for Ray to move actors
elsewhere. Ray kills nothing when it expires.
Prints the ids of the draining nodes as JSON.
"""

import json
import sys
import time

IDLE = 1000  # milliseconds without work, after which a node counts as idle


def main(address: str, count: str, seconds: str, *ids: str) -> None:
    """Drain the nodes. Exits with a message if a node rejects the request."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
    from ray.autoscaler.v2.sdk import get_cluster_resource_state
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    client = GcsClient(address=address)
    states = get_cluster_resource_state(client).node_states
    idle = {state.node_id.hex(): state.idle_duration_ms for state in states}
    chosen = sorted(ids, key=lambda node: idle.get(node, 0) < IDLE)[: int(count)]
    deadline = int((time.time() + float(seconds)) * 1000)
    reason = DrainNodeReason.Value(
        "DRAIN_NODE_REASON_PREEMPTION"
    )  # raylets never reject this reason, but may reject all others
    for node in chosen:
        accepted, rejection = client.drain_node(node, reason, "scaled down by raydock", deadline)
        if not accepted:
            sys.exit(f"{node} rejected the drain request: {rejection}")
    print(json.dumps(chosen))


if __name__ == "__main__":
    main(*sys.argv[1:])
