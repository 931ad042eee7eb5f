"""Runs tasks that only wait. They need no core, so more workers help even beyond the number of cores.

This measures Ray's scheduling, because the worker processes are started beforehand.
"""

import argparse
import collections
import json
import time

import ray


@ray.remote(num_cpus=1)
def wait(number, seconds):
    """Wait, then return the task's node and its start and end times."""
    start = time.time()
    time.sleep(seconds)
    node = ray.get_runtime_context().get_node_id()
    return {"name": f"task {number}", "node": node, "start": start, "end": time.time()}


def main():
    """Run the tasks and print the result."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--tasks", type=int, default=48)
    parser.add_argument("--seconds", type=float, default=0.5)
    args = parser.parse_args()
    ray.init()
    cpus = int(ray.cluster_resources()["CPU"])
    ray.get([wait.remote(number, 2) for number in range(cpus)])  # starting a worker process does need a core
    start = time.time()
    tasks = ray.get([wait.remote(number, args.seconds) for number in range(args.tasks)])
    count = collections.Counter(task["node"] for task in tasks)
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    result = {
        "version": 1, "job": "waits", "data": f"{args.tasks} tasks that wait {args.seconds:g} s each",
        "nodes": [{"node": name, "id": i, "pool": pool, "tasks": count[i]} for i, name, pool in nodes if i in count],
        "cpus": cpus, "computes": False,
        "seconds": {"ray": time.time() - start, "alone": None}, "tasks": tasks,
    }  # fmt: skip
    print("RESULT", json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
