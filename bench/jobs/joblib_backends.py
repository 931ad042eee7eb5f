"""The same tasks with each way to run them in parallel, in rotating order: seconds, and bytes in the object store.

A task sleeps and reads one row of data that all tasks share. Sleeping takes no core, so the ideal time is known:
the tasks' total divided by the number of workers. loky's processes run on the driver's node.
"""

import argparse
import contextlib
import json
import logging
import threading
import time

import joblib
import joblib_ray
import numpy as np
import ray
from ray._private.internal_api import node_stats
from ray.util.joblib import register_ray

COUNTS = {5: 600, 50: 60, 500: 12}  # milliseconds of a task → number of tasks
TAIL = 1.5  # shape of the Pareto distribution of the heavy-tailed tasks
LONGEST = 20  # times the mean
SAMPLING = 0.05  # seconds
STOCK_SECONDS = 120  # stock takes no more rounds after that


def work(X, number, seconds):
    time.sleep(seconds)
    return float(X[number % len(X)].sum())


def durations(milliseconds, shape):
    """The tasks' seconds: all equal, or heavy-tailed with the same mean."""
    count = COUNTS[milliseconds]
    if shape == "uniform":
        return [milliseconds / 1e3] * count
    drawn = np.minimum(np.random.default_rng(0).pareto(TAIL, count), LONGEST)
    return list(drawn / drawn.mean() * milliseconds / 1e3)


def by_joblib(backend):
    def run(X, seconds, workers):
        with joblib.parallel_config(backend, n_jobs=workers):
            return joblib.Parallel()(joblib.delayed(work)(X, i, one) for i, one in enumerate(seconds))

    return run


def by_tasks(X, seconds, workers):
    shared, task = ray.put(X), ray.remote(num_cpus=1)(work)
    return ray.get([task.remote(shared, i, one) for i, one in enumerate(seconds)])


WAYS = {
    "ours": by_joblib("shared"),
    "stock": by_joblib("ray"),
    "loky": by_joblib("loky"),
    "tasks": by_tasks,
}


def stored():
    """Bytes in the object store of each node."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    stats = {
        one["NodeID"]: node_stats(one["NodeManagerAddress"], one["NodeManagerPort"], False) for one in alive
    }
    return {node: one.store_stats.object_store_bytes_used for node, one in stats.items()}


@contextlib.contextmanager
def peak_stored():
    """A list that receives, at the end, the largest number of bytes that a node's object store grew by."""
    found, before, peak, done = [], stored(), {}, threading.Event()

    def sample():
        while not done.wait(SAMPLING):
            for node, size in stored().items():
                peak[node] = max(peak.get(node, 0), size - before.get(node, 0))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
        found.append(max(peak.values(), default=0))


def settle():
    """Give all CPUs back, so that the next way gets them."""
    joblib_ray.shutdown()
    deadline = time.monotonic() + 60
    while (
        ray.available_resources().get("CPU") != ray.cluster_resources()["CPU"] and time.monotonic() < deadline
    ):
        time.sleep(0.1)


def measure(X, seconds, workers, rounds, order):
    """Seconds and peak bytes of each way, by round. A call before the measured one starts its processes."""
    taken = {name: [] for name in order}
    expected = [float(X[i % len(X)].sum()) for i in range(len(seconds))]
    for number in range(rounds):
        for place in range(len(order)):
            name = order[(number + place) % len(order)]
            if name == "stock" and sum(one for one, _ in taken[name]) > STOCK_SECONDS:
                continue
            WAYS[name](X[:1], [0.001] * workers * 4, workers)
            with peak_stored() as peak:
                start = time.perf_counter()
                found = WAYS[name](X, seconds, workers)
                took = time.perf_counter() - start
            assert found == expected, name
            taken[name].append((took, peak[0]))
            settle()
    return taken


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--megabytes", type=int, required=True)
    parser.add_argument("--milliseconds", type=int, choices=COUNTS, required=True)
    parser.add_argument("--shape", choices=["uniform", "heavy-tailed"], required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--without", choices=WAYS, action="append", default=[])
    args = parser.parse_args()
    logging.getLogger("ray.util.multiprocessing.pool").setLevel("ERROR")  # it warns about Ray's own call
    ray.init(log_to_driver=False)
    register_ray()
    joblib_ray.register("shared")
    X = np.random.default_rng(0).random((args.megabytes * 1024, 128))
    seconds = durations(args.milliseconds, args.shape)
    ways = [name for name in WAYS if name not in args.without]
    taken = measure(X, seconds, args.workers, args.rounds, ways)
    result = {
        "version": 1, "job": "joblib_backends", "data": f"{args.megabytes} MiB",
        "nbytes": X.nbytes, "tasks_run": len(seconds),
        "ideal": max(sum(seconds) / args.workers, max(seconds)), "runs": taken,
    }  # fmt: skip
    print("RESULT", json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
