"""What jobs/joblib_ray.py promises, checked on the cluster of RAY_ADDRESS: an outcome for each check named.

Run by tests/contract/jobs/test_joblib_ray.py, which adds jobs/ to PYTHONPATH.
"""

import multiprocessing
import os
import pathlib
import pickle
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings

import joblib
import joblib_ray
import numpy as np
import pandas as pd
import ray
import scipy.sparse
from joblib import Parallel, delayed
from ray._private.internal_api import node_stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, cross_val_score

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="joblib-"))
LARGE = np.arange(1_500_000.0).reshape(-1, 10)  # 12 MB


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(one)


class Writes(ClassifierMixin, BaseEstimator):
    """An estimator that must write to its data, in `fit` or in `predict`."""

    def __init__(self, where="fit"):
        self.where = where

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.where == "fit":
            X.setflags(write=True) if not X.flags.writeable else X.fill(0)
        return self

    def predict(self, X):
        if self.where == "predict":
            X.setflags(write=True) if not X.flags.writeable else X.fill(0)
        return np.zeros(len(X))


def total(data, number):
    return float(data.sum().sum()) + number


def bytes_stored():
    """Bytes in the object store of each node."""
    found = {}
    for node in ray.nodes():
        if node["Alive"]:
            stats = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"], False)
            found[node["NodeID"]] = stats.store_stats.object_store_bytes_used
    return found


def wait_until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def raises(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def check_data_is_stored_once_per_node_and_freed():
    before, during = bytes_stored(), []

    def look(numbers):
        for number in numbers:
            yield delayed(total)(LARGE, number)
            if number == 11:
                during.append(bytes_stored())

    assert Parallel(pre_dispatch=2)(look(range(12))) == [LARGE.sum() + number for number in range(12)]
    call = joblib_ray.last_call()
    assert (call["tasks"], call["shared"], call["shared_bytes"]) == (12, 1, LARGE.nbytes), call
    grown = {node: size - before[node] for node, size in during[0].items()}
    assert max(grown.values()) <= 1.1 * LARGE.nbytes, grown
    assert sum(size > LARGE.nbytes / 2 for size in grown.values()) <= 3, grown
    wait_until(lambda: all(size <= before[node] for node, size in bytes_stored().items()))


def check_every_kind_of_data():
    file = FOLDER / "mapped"
    np.save(file, LARGE)
    frame = pd.DataFrame(LARGE, columns=[f"c{i}" for i in range(10)])
    sparse = scipy.sparse.random(5000, 500, 0.1, format="csr", random_state=0)
    mixed = np.array([{"a": 1}, "b", None] * 50_000, dtype=object)
    for data in (np.load(f"{file}.npy", mmap_mode="r"), frame, sparse):
        assert Parallel()(delayed(total)(data, i) for i in range(4)) == [
            float(data.sum().sum()) + i for i in range(4)
        ]
        assert joblib_ray.last_call()["shared"] == 1, type(data)
    assert Parallel()(delayed(len)(mixed) for _ in range(4)) == [150_000] * 4
    assert joblib_ray.last_call()["shared"] == 1


def check_changes_of_a_task_stay_with_it():
    def add_column(data, number):
        data[f"new{number}"] = number
        return data.shape[1]

    def write(data, number):
        seen = float(data[0, 0])
        data[0, 0] = number
        return seen

    frame = pd.DataFrame(LARGE)
    assert set(Parallel(batch_size=1)(delayed(add_column)(frame, i) for i in range(6))) == {11}
    data = np.ones((1000, 1000))
    assert Parallel(batch_size=1)(delayed(write)(data, i) for i in range(2, 8)) == [1.0] * 6
    assert 1 <= joblib_ray.last_call()["copies"] <= 3
    assert (data == 1).all()
    with joblib.parallel_config("ray", mmap_mode="c"):
        assert Parallel(batch_size=1)(delayed(write)(data, i) for i in range(2, 4)) == [1.0] * 2
    assert joblib_ray.last_call()["copies"] == 0


def check_results_are_writable():
    for rows in Parallel()(delayed(lambda data, i: data[i : i + 2])(LARGE, i) for i in range(4)):
        rows += 1


def check_estimators_that_write_get_no_nan():
    X, y = np.random.default_rng(0).random((2000, 20)), np.arange(2000) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as many notebooks do; scikit-learn takes it to the workers
        for where in ("fit", "predict"):
            scores = cross_val_score(WholeData(where), X, y, cv=3, n_jobs=-1)
            assert not np.isnan(scores).any(), where
    assert joblib_ray.last_call()["copies"] >= 1


class WholeData(Writes):
    """It keeps the data that all fits share, since cross-validation hands each a copy of its rows."""

    def __init__(self, where="fit", data=LARGE):
        super().__init__(where)
        self.data = data

    def fit(self, X, y):
        return super().fit(self.data if self.where == "fit" else X, y)

    def predict(self, X):
        super().predict(self.data if self.where == "predict" else X)
        return np.zeros(len(X))


def check_a_search_agrees_with_the_sequential_one():
    from sklearn.datasets import load_iris
    from sklearn.svm import SVC

    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(SVC(), {"C": [0.1, 1, 10]}, cv=3)
    assert (
        search.set_params(n_jobs=-1).fit(X, y).best_score_
        == search.set_params(n_jobs=1).fit(X, y).best_score_
    )


def check_exceptions():
    def fail(kind):
        raise kind("one", "two") if kind is Unpicklable else kind("one")

    error = raises(KeyError, Parallel(), [delayed(fail)(KeyError)] * 2)
    assert "in fail" in str(error.__cause__)
    error = raises(RuntimeError, Parallel(), [delayed(fail)(Unpicklable)] * 2)
    assert str(error) == "Unpicklable: one"
    error = raises(pickle.PicklingError, Parallel(), [delayed(len)(threading.Lock())] * 2)
    assert "cannot pickle" in str(error.__cause__)
    raises(TypeError, Parallel(), [delayed(threading.Lock)()] * 2)
    with Parallel() as parallel:
        raises(KeyError, parallel, [delayed(fail)(KeyError)] * 2)
        assert parallel(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


def check_an_error_of_the_task_generator():
    def tasks():
        for number in range(100):
            yield delayed(abs)(number)
        raise SystemExit("the generator")  # joblib itself handles Exception only

    raises(SystemExit, Parallel(pre_dispatch=2), tasks())


def check_generators_share_the_workers():
    with joblib.parallel_config("ray"):
        first = Parallel(return_as="generator")(delayed(abs)(-i) for i in range(50))
        second = Parallel(return_as="generator_unordered")(delayed(abs)(-i) for i in range(50))
        assert sorted(second) == list(range(50))
        chained = Parallel(return_as="generator")(delayed(abs)(-i) for i in first)
        assert list(chained) == list(range(50))


def check_an_abandoned_generator():
    with joblib.parallel_config("ray"):
        left = Parallel(return_as="generator", pre_dispatch=2)(delayed(abs)(-i) for i in range(50))
        next(left)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib warns about results that are not used
            del left
        assert Parallel()(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


def check_calls_of_two_threads():
    results = {}

    def call(name):
        results[name] = Parallel(n_jobs=2, backend="ray")(delayed(abs)(-i) for i in range(40))

    threads = [threading.Thread(target=call, args=(name,), daemon=True) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {0: list(range(40)), 1: list(range(40))}


def check_nested_calls_and_inner_threads():
    def outer(number):
        return sum(Parallel(n_jobs=2)(delayed(abs)(i) for i in range(number))) + sum(
            Parallel(n_jobs=2, backend="ray")(delayed(abs)(i) for i in range(number))
        )

    assert Parallel()(delayed(outer)(i) for i in range(4)) == [0, 0, 2, 6]
    with joblib.parallel_config("ray", inner_max_num_threads=1):
        assert set(Parallel()(delayed(os.getenv)("OPENBLAS_NUM_THREADS") for _ in range(4))) == {"1"}


def check_no_worker_is_an_error():
    nowhere = {"resources": {"nowhere": 1}}
    for n_jobs in (-1, 2):
        backend = joblib_ray.RayBackend(ray_remote_args=nowhere, wait_seconds=1)
        error = raises(joblib_ray.NoWorkers, Parallel(n_jobs, backend=backend), [delayed(abs)(1)] * 2)
        assert str(error) == (
            "No worker started within 1 s: no node of the cluster has 1 CPU, 1 nowhere free. "
            "Start nodes, stop what uses them, or change ray_remote_args."
        )
    broken = joblib_ray.RayBackend(initializer=int, initargs=("x",))
    error = raises(joblib_ray.NoWorkers, Parallel(2, backend=broken), [delayed(abs)(1)] * 2)
    assert "invalid literal for int" in str(error)


def check_lost_workers():
    def die_once(number):
        mark = FOLDER / "died"
        if number == 3 and not mark.exists():
            mark.touch()
            os._exit(1)
        return number

    assert Parallel(batch_size=1)(delayed(die_once)(i) for i in range(6)) == list(range(6))
    assert joblib_ray.last_call()["reruns"] == 1
    error = raises(joblib_ray.WorkerLost, Parallel(), [delayed(os._exit)(1)] * 2)
    assert str(error).startswith("4 workers died while they ran the same tasks, the last because: ")


def check_timeout_and_interrupt():
    raises(multiprocessing.TimeoutError, Parallel(timeout=0.2), [delayed(time.sleep)(60)] * 2)
    threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,)).start()
    raises(KeyboardInterrupt, Parallel(), [delayed(time.sleep)(60)] * 2)
    assert Parallel()(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


def check_unused_workers_end():
    Parallel()(delayed(abs)(-i) for i in range(3))
    joblib_ray.shutdown()
    wait_until(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"])


def check_ray_stops_during_a_call():
    threading.Timer(1, ray.shutdown).start()
    error = raises(joblib_ray.RayStopped, Parallel(2), [delayed(time.sleep)(600)] * 4)
    assert str(error) == "Ray was shut down during the call."


def main():
    ray.init(log_to_driver=False)
    joblib_ray.register()
    for name in sys.argv[1:]:
        print(f"check_{name}", flush=True)
        start = time.monotonic()
        try:
            with joblib.parallel_config("ray"):
                globals()[f"check_{name}"]()
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"{time.monotonic() - start:.1f} s: ok", flush=True)


if __name__ == "__main__":
    main()
