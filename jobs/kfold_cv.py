# /// script
# requires-python = ">=3.10"
# dependencies = ["scikit-learn>=1.4", "numpy"]
#
# [tool.submit]
# needs = { cpus = 1 }
# ///
"""Five-fold cross-validation on Iris, with one Ray task per fold and the data stored once in the object store.

Shows      tasks that share data, how to combine their results, and why 5 tasks limit the speed-up: on 2
           CPUs they run in 3 rounds, so it is at most 5/3; on 5 or more CPUs, it is at most 5.
Run        python submit.py jobs/kfold_cv.py -- --compare
           python jobs/kfold_cv.py --smoke-test                      (alone: starts its own Ray)
Needs      1 CPU on a worker, ideally 5; no GPU, no download. Takes 15 CPU seconds; --smoke-test: 2.
Dashboard  Jobs, this job: five `score_on_a_worker` tasks. Click one for its node, start and end.
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
import ray
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import StratifiedKFold

FOLDS = StratifiedKFold(n_splits=5, shuffle=True, random_state=42)
ACCURACY_FLOOR = 0.95


def accuracy_of_fold(X, y, train, test, models):
    """Plain scikit-learn. It fits many models, because for a single model Ray would be slower."""
    model = BaggingClassifier(LinearDiscriminantAnalysis(), n_estimators=models, random_state=42)
    return model.fit(X[train], y[train]).score(X[test], y[test])


def note(name, start, **more):
    """The current task's record. Linux reports peak memory in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    node = ray.get_runtime_context().get_node_id()
    return {"name": name, "node": node, "start": start, "end": time.time(), "peak_mib": peak} | more


@ray.remote(num_cpus=1, max_retries=5)  # 1. A task. If its node dies, Ray runs it again elsewhere
def score_on_a_worker(number, X, y, train, test, models):
    """Score one fold."""
    start = time.time()
    accuracy = accuracy_of_fold(X, y, train, test, models)
    print(f"fold {number}: accuracy {accuracy:.4f}", flush=True)
    return note(f"fold {number}", start, accuracy=accuracy)


def scores_with_ray(X, y, models):
    """Return a record per fold. Without Ray: `[accuracy_of_fold(X, y, *f, models) for f in FOLDS.split(X, y)]`."""
    X_ref, y_ref = ray.put(X), ray.put(y)  # 2. Store the data once. A task gets references to the data
    # and its row numbers, so no fold is copied here. In the task, X and y are read-only arrays.
    folds = enumerate(FOLDS.split(X, y), start=1)
    tasks = [score_on_a_worker.remote(i, X_ref, y_ref, *fold, models) for i, fold in folds]
    return ray.get(tasks)  # 3. Waits for all tasks and returns them in order. `remote` above does not wait


@ray.remote(num_cpus=1)
def scores_alone(X, y, models):
    """Score one fold after another on one worker CPU."""
    start = time.perf_counter()
    scores = [accuracy_of_fold(X, y, *fold, models) for fold in FOLDS.split(X, y)]
    return scores, time.perf_counter() - start


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
    """Score the folds. Raises if the mean accuracy is below the floor, or if a score differs without Ray."""
    X, y = load_iris(return_X_y=True)  # 150 flowers with 4 measurements each, 3 species; part of scikit-learn
    ray.init()  # no address: the cluster sets it; without a cluster, this starts Ray on this machine
    wait_for_cpus()
    start = time.perf_counter()
    tasks = scores_with_ray(X, y, args.models)
    seconds = {"ray": time.perf_counter() - start, "alone": None}
    scores = [task["accuracy"] for task in tasks]
    cpus = int(min(len(tasks), ray.cluster_resources()["CPU"]))
    print(f"accuracy {np.mean(scores):.4f} ± {np.std(scores):.4f} over {len(scores)} folds", flush=True)
    if args.compare:
        alone, seconds["alone"] = ray.get(scores_alone.remote(X, y, args.models))
        if alone != scores:
            raise RuntimeError(f"with Ray, the folds score {scores}; without Ray, they score {alone}")
    if np.mean(scores) < ACCURACY_FLOOR:
        raise RuntimeError(f"the accuracy of {np.mean(scores):.4f} is below the floor of {ACCURACY_FLOOR}")
    speed_up = seconds["alone"] / seconds["ray"] if args.compare else None
    return {
        "version": 1, "job": "kfold_cv", "data": "load_iris, 150 x 4, part of scikit-learn",
        "nodes": nodes_that_worked(tasks), "cpus": cpus, "seconds": seconds, "speed_up": speed_up,
        "efficiency": speed_up and speed_up / cpus, "peak_memory_mib": max(task["peak_mib"] for task in tasks),
        "metrics": {"mean_accuracy": np.mean(scores), "spread": np.std(scores)}, "tasks": tasks,
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--models", type=int, default=1000, help="models in each fold's bag (default: 1000)")
    parser.add_argument("--compare", action="store_true", help="also run without Ray and report the speed-up")
    parser.add_argument("--smoke-test", dest="models", action="store_const", const=100, help="a short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if args.models < 1:
        parser.error(f"--models {args.models}: must be at least 1")
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
