"""Runs beside the control store, inside the head's container or environment; nothing of ours is there.

    python drain.py HOST:PORT COUNT SECONDS NODE_ID...

Of the nodes named it drains COUNT, those idle for longest first: no new task is placed on them, and
each raylet ends by itself when its tasks have. SECONDS is told to Ray, which then moves actors away;
Ray itself kills nothing. Prints the ids of the draining nodes as JSON.
"""

import json
import sys
import time


def main(address: str, count: str, seconds: str, *ids: str) -> None:
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
    from ray.autoscaler.v2.sdk import get_cluster_resource_state
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    client = GcsClient(address=address)
    states = get_cluster_resource_state(client).node_states
    idle = {state.node_id.hex(): state.idle_duration_ms for state in states}
    chosen = sorted(ids, key=lambda node: -idle.get(node, 0))[: int(count)]
    deadline = int((time.time() + float(seconds)) * 1000)
    reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")  # the one reason that no raylet refuses
    for node in chosen:
        accepted, refusal = client.drain_node(node, reason, "scaled down by raydock", deadline)
        if not accepted:
            sys.exit(f"{node} refuses to be drained: {refusal}")
    print(json.dumps(chosen))


if __name__ == "__main__":
    main(*sys.argv[1:])
