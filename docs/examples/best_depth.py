# /// script
# requires-python = ">=3.10"
# dependencies = ["scikit-learn", "humanize"]  # the image has scikit-learn; humanize is installed for this job
#
# [tool.submit]
# needs = { cpus = 2 }  # on a smaller cluster, the check refuses the job
# ///
"""Which depth is best for a random forest? One Ray task per candidate."""

import argparse
import json
import time

import humanize
import ray
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

DEPTHS = range(4, 20, 2)


def score(depth, trees, X, y):
    """Plain scikit-learn: the mean accuracy of five folds."""
    model = RandomForestClassifier(n_estimators=trees, max_depth=depth, random_state=0)
    return cross_val_score(model, X, y, cv=5).mean()


score_on_a_worker = ray.remote(num_cpus=1)(score)  # the same function, as a task that takes one CPU


def all_scores_alone(trees, X, y):
    """One candidate after the other, on one CPU. For comparison only."""
    return [score(depth, trees, X, y) for depth in DEPTHS]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=100)
    args = parser.parse_args()

    ray.init()  # no address: the cluster provides it
    X, y = load_digits(return_X_y=True)
    start = time.perf_counter()
    shared_X, shared_y = ray.put(X), ray.put(y)  # the data is sent once, not with every task
    tasks = [score_on_a_worker.remote(depth, args.trees, shared_X, shared_y) for depth in DEPTHS]
    scores = ray.get(tasks)  # waits for all of them
    with_ray = time.perf_counter() - start

    start = time.perf_counter()
    ray.get(ray.remote(num_cpus=1)(all_scores_alone).remote(args.trees, shared_X, shared_y))
    alone = time.perf_counter() - start

    accuracy, depth = max(zip(scores, DEPTHS, strict=True))
    print(f"depth {depth} is best; {len(DEPTHS)} candidates took {humanize.naturaldelta(with_ray)}")
    result = {
        "job": "best_depth",
        "seconds": {"ray": with_ray, "alone": alone},
        "speed_up": alone / with_ray,
        "metrics": {"accuracy": accuracy, "depth": depth},
    }
    print("RESULT", json.dumps(result))


if __name__ == "__main__":
    main()
