"""Random searches like jobs/sklearn_joblib.py's, one for each file that the test creates: FOLDER/0, FOLDER/1, …

Run by tests/contract/jobs/test_joblib_ray.py on the cluster of RAY_ADDRESS, which loses a node during each search.
    python joblib_searches.py FOLDER COUNT
"""

import json
import pathlib
import sys
import time

import joblib
import joblib_ray
import numpy as np
import ray
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC

GRID = {"C": np.logspace(-3, 3, 50), "gamma": np.logspace(-5, 1, 50)}


def search(X, y):
    """The best parameters and score, the number of fits, and how many batches ran again."""
    found = RandomizedSearchCV(SVC(), GRID, n_iter=30, cv=5, random_state=0)
    with joblib.parallel_config("ray", n_jobs=-1, verbose=9):
        found.fit(X, y)
    call = joblib_ray.last_call()
    best = {name: float(value) for name, value in found.best_params_.items()}
    return {"best": [found.best_score_, best], "fits": call["tasks"], "reruns": call["reruns"]}


def main(folder, count):
    ray.init(log_to_driver=False)
    joblib_ray.register()
    X, y = load_digits(return_X_y=True)
    for number in range(count):
        while not (folder / str(number)).exists():
            time.sleep(0.05)
        print(f"search {number}", flush=True)
        print(f"RESULT {json.dumps(search(X, y))}", flush=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
