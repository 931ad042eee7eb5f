# /// script
# requires-python = ">=3.10"
# dependencies = ["scikit-learn>=1.4", "numpy", "pyarrow"]
#
# [tool.submit]
# reads = ["--data=synthetic"]
# env = ["SCIKIT_LEARN_DATA"]
# needs = { cpus = 1 }
# ///
"""Fit 20 forests of increasing size with one Ray task each. All tasks read the same copy of the data.

Shows      how one decorator turns a loop over independent fits into tasks, and how to send data once, not 20 times.
Run        python submit.py jobs/forest_sweep.py -- --compare
           SCIKIT_LEARN_DATA=/data python submit.py jobs/forest_sweep.py -- --data real   (`env` passes it on)
           python jobs/forest_sweep.py --smoke-test                  (alone: starts its own Ray)
Needs      1 CPU on a worker, or more for a speed-up; no GPU. Takes about 80 CPU seconds; --smoke-test: 5.
Dashboard  Jobs, this job: 20 `fit_on_a_worker` tasks, each with its node; the largest starts first.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import sys
import time

import numpy as np
import pyarrow.parquet
import ray
from sklearn.datasets import fetch_california_housing
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

SEED = 201
NOISE = 0.3  # standard deviation of the unlearnable noise; an MSE below its square, 0.09, would be luck
POSSIBLE = 1 - NOISE**2 / (1 + 1 / 2 + 1 / 12 + NOISE**2)  # best possible R²: variances of y's terms
FLOOR = {"synthetic": 0.98 * POSSIBLE, "real": 0.77}  # for the best R²; Ray's tutorial: 0.77, 8 trees


def load(source, label):
    """X_train, X_test, y_train and y_test. A fifth of the rows is for the test. Default: 20,640 rows, 8 columns."""
    if source == "synthetic":
        random = np.random.default_rng(SEED)
        X = random.random((20_640, 8))
        y = 2 * (X[:, 0] > 0.5) + np.sin(2 * np.pi * X[:, 1]) + X[:, 2] + random.normal(0, NOISE, len(X))
    elif source == "real":
        try:
            X, y = fetch_california_housing(return_X_y=True)  # 0.4 MB
        except OSError as error:
            raise SystemExit(f"Could not load California housing ({error}): use --data synthetic.") from None
    else:
        try:
            table = pyarrow.parquet.read_table(source)
            if label not in table.column_names:
                raise ValueError(f"no column {label!r}; --label can be {', '.join(table.column_names)}")
            X, y = table.drop_columns([label]).to_pandas().to_numpy("float32"), table[label].to_numpy()
        except (OSError, ValueError) as error:
            raise SystemExit(f"--data {source} can't be read: {error}") from None
    return train_test_split(X, y, test_size=0.2, random_state=SEED)


def mse_of_forest(X_train, X_test, y_train, y_test, trees):
    """Plain scikit-learn, with n_jobs=1 because a task has one CPU and the forests are fitted in parallel."""
    model = RandomForestRegressor(n_estimators=trees, random_state=SEED, n_jobs=1).fit(X_train, y_train)
    return mean_squared_error(y_test, model.predict(X_test))


def note(name, start, **more):
    """The current task's record. Linux reports peak memory in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    node = ray.get_runtime_context().get_node_id()
    return {"name": name, "node": node, "start": start, "end": time.time(), "peak_mib": peak} | more


@ray.remote(num_cpus=1, max_retries=5)  # 1. A task. If its node dies, Ray runs it again elsewhere
def fit_on_a_worker(trees, *data):
    """Fit one forest."""
    start, mse = time.time(), mse_of_forest(*data, trees)
    return note(f"{trees} trees", start, trees=trees, mse=mse)


def sweep_with_ray(data, sizes):
    """Return a record per forest. Without Ray: `[mse_of_forest(*data, trees) for trees in sizes]`."""
    stored = [ray.put(array) for array in data]  # 2. Store the data once. Tasks get only references to it
    # 3. Start with the largest. The other CPUs idle during the last task, so it should be a small one.
    tasks = {trees: fit_on_a_worker.remote(trees, *stored) for trees in sorted(sizes, reverse=True)}
    for trees, task in tasks.items():  # 4. `get` waits for one task. `remote` above does not wait
        print(f"{trees} trees: MSE {ray.get(task)['mse']:.4f}", flush=True)
    return [ray.get(tasks[trees]) for trees in sizes]


@ray.remote(num_cpus=1)
def sweep_alone(sizes, *data):
    """Fit one forest after another on one worker CPU."""
    start = time.perf_counter()
    return [mse_of_forest(*data, trees) for trees in sizes], time.perf_counter() - start


def wait_for_cpus(at_least=1, seconds=120):
    """Wait for workers to join. Without a CPU, no task would ever be scheduled."""
    deadline = time.monotonic() + seconds
    while ray.cluster_resources().get("CPU", 0) < at_least:
        if time.monotonic() > deadline:
            raise SystemExit(f"No worker CPUs after {seconds} s. Start workers, then resubmit the job.")
        time.sleep(min(2, seconds))


def nodes_that_worked(tasks):
    """The nodes that ran tasks, according to the node id in each task's record."""
    count = collections.Counter(task["node"] for task in tasks)
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    return [{"node": name, "id": i, "pool": pool, "tasks": count[i]} for i, name, pool in nodes if i in count]


def run(args):
    """Fit every forest. Raises if the best R² is below the floor, or if an MSE differs without Ray."""
    data, sizes = load(args.data, args.label), [8 + 4 * j for j in range(args.forests)]
    ray.init()  # no address: the cluster sets it; without a cluster, this starts Ray on this machine
    wait_for_cpus()
    start = time.perf_counter()
    tasks = sweep_with_ray(data, sizes)
    seconds = {"ray": time.perf_counter() - start, "alone": None}
    scores, cpus = [task["mse"] for task in tasks], int(min(len(tasks), ray.cluster_resources()["CPU"]))
    if args.compare:
        alone, seconds["alone"] = ray.get(sweep_alone.remote(sizes, *data))
        if alone != scores:
            raise RuntimeError(f"with Ray, the MSEs are {scores}; without Ray, they are {alone}")
    r2, floor = 1 - min(scores) / data[3].var(), FLOOR.get(args.data)
    if floor and r2 < floor:
        raise RuntimeError(f"the best forest's R² of {r2:.4f} is below the floor of {floor:.4f}")
    speed_up = seconds["alone"] / seconds["ray"] if args.compare else None
    return {
        "version": 1, "job": "forest_sweep", "data": f"{args.data}, {len(data[2]) + len(data[3])} x {data[0].shape[1]}",
        "nodes": nodes_that_worked(tasks), "cpus": cpus, "seconds": seconds, "speed_up": speed_up,
        "efficiency": speed_up and speed_up / cpus, "peak_memory_mib": max(task["peak_mib"] for task in tasks),
        "metrics": {"best_mse": min(scores), "best_r2": r2, "floor_r2": floor}, "tasks": tasks,
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data", default="synthetic", help="synthetic, real, or the URI of a parquet file")
    parser.add_argument("--label", default="MedHouseVal", help="the column to predict in the parquet file")
    parser.add_argument("--forests", type=int, default=20, help="with 8, 12, 16 ... trees (default: 20)")
    parser.add_argument("--compare", action="store_true", help="also run without Ray and report the speed-up")
    parser.add_argument("--smoke-test", dest="forests", action="store_const", const=4, help="a short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if args.forests < 3:
        parser.error(f"--forests {args.forests}: must be at least 3, so that one of them is large enough")
    if args.output and (args.output.is_dir() or not os.access(args.output.parent, os.W_OK)):
        parser.error(f"--output {args.output}: not writable on the machine that runs the job")
    return args


def main():
    """Run the job, then print RESULT and the result as JSON. --output also writes it to a file."""
    args = parse_args()
    result = json.dumps(run(args), allow_nan=False)
    ray.shutdown()  # so that no worker prints anything after the result
    if args.output:
        args.output.write_text(result + "\n")
    print("RESULT", result, flush=True)


if __name__ == "__main__":
    main()
