"""Drains idle nodes. Runs next to the control store (GCS), on the head, where only Ray is installed.

    python drain.py HOST:PORT COUNT SECONDS NODE_ID...

Drains COUNT of the given nodes, longest idle first: Ray places no new tasks on them, and each raylet exits once its
tasks have finished. Ray gets SECONDS as the deadline and moves actors away by then; it does not kill anything itself.
Prints the ids of the draining nodes as JSON.
"""

import json
import sys
import time


def main(address: str, count: str, seconds: str, *ids: str) -> None:
    """Drain the nodes. Exits with a message if a node rejects the request."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
    from ray.autoscaler.v2.sdk import get_cluster_resource_state
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    client = GcsClient(address=address)
    states = get_cluster_resource_state(client).node_states
    idle = {state.node_id.hex(): state.idle_duration_ms for state in states}
    chosen = sorted(ids, key=lambda node: -idle.get(node, 0))[: int(count)]
    deadline = int((time.time() + float(seconds)) * 1000)
    reason = DrainNodeReason.Value(
        "DRAIN_NODE_REASON_PREEMPTION"
    )  # the only reason that a raylet never rejects
    for node in chosen:
        accepted, rejection = client.drain_node(node, reason, "scaled down by raydock", deadline)
        if not accepted:
            sys.exit(f"{node} rejected the drain request: {rejection}")
    print(json.dumps(chosen))


if __name__ == "__main__":
    main(*sys.argv[1:])
