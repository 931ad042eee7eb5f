# /// script
# requires-python = ">=3.10"
# dependencies = ["scikit-learn>=1.4", "joblib>=1.3"]
#
# [tool.submit]
# needs = { cpus = 2 }
# ///
"""A plain scikit-learn search, distributed over every worker of the cluster by two lines.

Shows      that scikit-learn code stays unchanged: Ray replaces joblib's own processes.
Run        python submit.py jobs/sklearn_joblib.py             (40 candidates, with Ray and without)
           python submit.py jobs/sklearn_joblib.py -- --full   (300 candidates: the more work, the more Ray helps)
           python jobs/sklearn_joblib.py --smoke-test          (alone: starts its own Ray)
Needs      2 CPUs on workers; no GPU, no download. Under a minute on two cores; --full: about 5 minutes.
Dashboard  Jobs, this job: its JoblibWorker actors, one per CPU, and the node of each `run` task.
"""

import argparse
import collections
import json
import os
import pathlib
import time

import joblib
import joblib_ray  # the file next to this one
import numpy as np
import ray
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC

CANDIDATES, FULL = 40, 300
SMOKE = 8  # with this random_state, the 8th candidate is the first good one
ACCURACY_FLOOR = 0.97
VERBOSE = 9  # joblib then prints about 30 lines for 1,500 fits
SPACE = {
    "C": np.logspace(-6, 6, 30),
    "gamma": np.logspace(-8, 8, 30),
    "tol": np.logspace(-4, -1, 30),
    "class_weight": [None, "balanced"],
}


def search(n_iter):
    """The search: plain scikit-learn, without any mention of Ray."""
    digits = load_digits()  # 1,797 images of 8 × 8 pixels, part of scikit-learn
    model = RandomizedSearchCV(SVC(kernel="rbf"), SPACE, cv=5, n_iter=n_iter, random_state=42, verbose=1)
    return model.fit(digits.data, digits.target)


def search_with_ray(n_iter):
    """The same search on all workers. Without Ray: `return search(n_iter)`."""
    joblib_ray.register()  # 1. Registers Ray with joblib, which scikit-learn uses to run fits in parallel
    # 2. n_jobs=-1: a worker process for each CPU of the cluster. They read the images from one copy per node.
    with joblib.parallel_config("ray", n_jobs=-1, verbose=VERBOSE):
        model = search(n_iter)
    joblib_ray.shutdown()  # ends the workers, so that others get the CPUs; they would wait 10 s for another search
    return model


# Ray has a backend of its own, which needs no other file. It sends the data with every task, may put all its processes
# on the head node, and waits forever when one dies:
#     from ray.util.joblib import register_ray
#     register_ray()
#     with joblib.parallel_backend("ray", n_jobs=-1):


@ray.remote(num_cpus=1)
def search_alone(n_iter):
    """The same search without the two lines, one fit after the other, on one CPU of a worker."""
    with joblib.parallel_backend("sequential", verbose=VERBOSE):
        return search(n_iter)


def wait_for_cpus(at_least=2, seconds=120):
    """Wait for workers to join: n_jobs=-1 uses those that are there when the search starts."""
    deadline = time.monotonic() + seconds
    while (cpus := ray.cluster_resources().get("CPU", 0)) < at_least:
        if time.monotonic() > deadline:
            raise SystemExit(
                f"No workers: this job needs {at_least} CPUs on workers, but after {seconds} s the cluster has "
                f"{cpus:g}. Start workers, or wait for them to join, then resubmit the job."
            )
        print(f"waiting for workers: {cpus:g} of {at_least} CPUs", flush=True)
        time.sleep(min(2, seconds))


def tasks_that_ran(call):
    """When and where the fits ran (one task is a batch of fits)."""
    return [
        {"name": "fits", "node": node, "start": start, "end": end} for node, start, end, _ in call["spans"]
    ]


def nodes_that_worked(tasks):
    """The nodes that ran tasks."""
    count = collections.Counter(task["node"] for task in tasks)
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    return [{"node": name, "id": i, "pool": pool, "tasks": count[i]} for i, name, pool in nodes if i in count]


def run(args):
    """Run the search. Raises if its accuracy is below the floor, or the result differs without Ray."""
    ray.init()  # no address: the cluster provides it; run by hand, Ray starts on this machine
    wait_for_cpus()
    start = time.perf_counter()
    model = search_with_ray(args.n_iter)
    seconds = {"ray": round(time.perf_counter() - start, 2), "alone": None}
    call, cpus = joblib_ray.last_call(), int(ray.cluster_resources()["CPU"])
    tasks, shared = tasks_that_ran(call), round(call["shared_bytes"] / 1e6, 2)
    print(
        f"{call['tasks']} fits in {len(tasks)} batches; they shared {shared} MB, stored once per node",
        flush=True,
    )
    if args.compare:
        start = time.perf_counter()
        alone = ray.get(search_alone.remote(args.n_iter))
        seconds["alone"] = round(time.perf_counter() - start, 2)
        if (alone.best_params_, alone.best_score_) != (model.best_params_, model.best_score_):
            raise RuntimeError(f"with Ray {model.best_params_} is best, without it {alone.best_params_}")
    if model.best_score_ < ACCURACY_FLOOR:
        raise RuntimeError(f"accuracy {model.best_score_:.4f} is below the floor, {ACCURACY_FLOOR}")
    speed_up = round(seconds["alone"] / seconds["ray"], 2) if args.compare else None
    return {
        "version": 1, "job": "sklearn_joblib", "data": "load_digits, 1797 x 64, part of scikit-learn",
        "nodes": nodes_that_worked(tasks), "cpus": cpus, "seconds": seconds, "speed_up": speed_up,
        "efficiency": speed_up and speed_up / cpus,
        "peak_memory_mib": None,  # unknown: the workers end with the search and return only scores
        "metrics": {"cv_accuracy": model.best_score_, "best_params": model.best_params_, "shared_mb": shared},
        "tasks": tasks,
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. Exits with the usage if they are invalid."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--n-iter", type=int, default=CANDIDATES, help="candidates, at least 8 (default: 40)")
    parser.add_argument("--full", dest="n_iter", action="store_const", const=FULL, help="300 candidates")
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also run without Ray and report the speed-up (default)",
    )
    parser.add_argument("--smoke-test", dest="n_iter", action="store_const", const=SMOKE, help="a short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if args.n_iter < SMOKE:
        parser.error(f"--n-iter {args.n_iter}: with fewer than {SMOKE} candidates, none may be good")
    if args.output and (args.output.is_dir() or not os.access(args.output.parent, os.W_OK)):
        parser.error(f"--output {args.output}: not writable on the machine that runs the job")
    return args


def main():
    """Run the job and print RESULT and the result as JSON. --output also writes it to a file."""
    args = parse_args()
    result = json.dumps(run(args), allow_nan=False)
    ray.shutdown()  # so that no worker's output follows the result
    if args.output:
        args.output.write_text(result + "\n")
    print("RESULT", result, flush=True)


if __name__ == "__main__":
    main()
