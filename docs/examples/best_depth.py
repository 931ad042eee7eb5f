# /// script
# requires-python = ">=3.10"
# # The image has scikit-learn; humanize is installed for this job.
# dependencies = ["scikit-learn", "humanize"]
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
    model = RandomForestClassifier(trees, max_depth=depth, random_state=0)
    return cross_val_score(model, X, y, cv=5).mean()


def all_scores(trees, X, y):
    """All candidates in one process, as a reference."""
    return [score(depth, trees, X, y) for depth in DEPTHS]


# The same functions as Ray tasks. Each one reserves one worker CPU.
score_task = ray.remote(num_cpus=1)(score)
all_scores_task = ray.remote(num_cpus=1)(all_scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=100)
    trees = parser.parse_args().trees

    ray.init()  # no address: the cluster provides it
    X, y = load_digits(return_X_y=True)
    X, y = ray.put(X), ray.put(y)  # sent once, not with every task

    start = time.perf_counter()
    tasks = [score_task.remote(depth, trees, X, y) for depth in DEPTHS]
    scores = ray.get(tasks)  # waits for all of them
    with_ray = time.perf_counter() - start

    start = time.perf_counter()
    ray.get(all_scores_task.remote(trees, X, y))
    alone = time.perf_counter() - start

    accuracy, depth = max(zip(scores, DEPTHS, strict=True))
    print(f"depth {depth} is best, after {humanize.naturaldelta(with_ray)}")
    result = {
        "seconds": {"ray": with_ray, "alone": alone},
        "metrics": {"accuracy": accuracy, "depth": depth},
        "data": "load_digits, 1797 x 64",
    }
    print("RESULT", json.dumps(result))


if __name__ == "__main__":
    main()
