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
Dashboard  Jobs, this job: its PoolActor actors, one per CPU, and the node of each `run_batch` task.
"""

import argparse
import collections
import json
import logging
import pathlib
import time

import joblib
import numpy as np
import ray
from ray.util.joblib import register_ray
from ray.util.state import list_tasks
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
    logging.getLogger("ray.util.multiprocessing.pool").setLevel("ERROR")  # it warns about Ray's own call
    register_ray()  # 1. Registers Ray with joblib, which scikit-learn uses to run fits in parallel
    # 2. Half a CPU each keeps the actors off the head node, which has no CPUs (by default they request none,
    #    and may all land there). If a node dies, its actors still fit on the others.
    actors = {"num_cpus": 0.5, "scheduling_strategy": "SPREAD", "max_restarts": -1, "max_task_retries": -1}
    # 3. n_jobs=-1: as many actors as the cluster has CPUs. Each is a process that runs fits.
    with joblib.parallel_backend("ray", n_jobs=-1, ray_remote_args=actors, verbose=VERBOSE):
        return search(n_iter)


@ray.remote(num_cpus=1)
def search_alone(n_iter):
    """The same search without the two lines, one fit after the other, on one CPU of a worker."""
    with joblib.parallel_backend("sequential", verbose=VERBOSE):
        return search(n_iter)


def wait_for_cpus(at_least=2, seconds=120):
    """Wait for workers to join. With one CPU, joblib would run everything in the driver, on the head node."""
    deadline = time.monotonic() + seconds
    while (cpus := ray.cluster_resources().get("CPU", 0)) < at_least:
        if time.monotonic() > deadline:
            raise SystemExit(
                f"No workers: this job needs {at_least} CPUs on workers, but after {seconds} s the cluster has "
                f"{cpus:g}. Start workers, or wait for them to join, then resubmit the job."
            )
        print(f"waiting for workers: {cpus:g} of {at_least} CPUs", flush=True)
        time.sleep(min(2, seconds))


def tasks_that_ran():
    """When and where the fits ran, from Ray's own record of this job's tasks (one task is a batch of fits)."""
    job = ray.get_runtime_context()
    wanted = {"job_id": job.get_job_id(), "name": "PoolActor.run_batch", "state": "FINISHED"}
    filters = [(key, "=", value) for key, value in wanted.items()]
    tasks = []
    for _ in range(10):  # the record lags by a second: poll until it stops growing
        seen = len(tasks)
        tasks = list_tasks(job.gcs_address, filters, 10_000, detail=True, raise_on_missing_output=False)
        if tasks and len(tasks) == seen:
            break
        time.sleep(1.5)
    spans = [(task.node_id, task.start_time_ms, task.end_time_ms) for task in tasks]
    known = [span for span in spans if all(span)]  # a node that died lost part of the record
    return [{"name": "fits", "node": i, "start": start / 1e3, "end": end / 1e3} for i, start, end in known]


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
    tasks, cpus = tasks_that_ran(), int(ray.cluster_resources()["CPU"])
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
        "peak_memory_mib": None,  # unknown: joblib's actors end with the search and return only scores
        "metrics": {"cv_accuracy": model.best_score_, "best_params": model.best_params_}, "tasks": tasks,
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
    if args.output and not args.output.parent.is_dir():
        parser.error(f"--output {args.output}: there is no folder {args.output.parent} on the job's machine")
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
