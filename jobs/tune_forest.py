# /// script
# requires-python = ">=3.10"
# dependencies = ["scikit-learn>=1.4", "numpy", "pyarrow", "matplotlib>=3.8"]
# [tool.submit]
# reads = ["--data=synthetic"]
# writes = ["--storage-path=gs://lab-models/tune_forest"]
# needs = { cpus = 1 }
# ///
"""Search a grid of 27 forests with Ray Tune. The data is stored once, and long trials write checkpoints.

Shows      Tune's trials and checkpoints, and how to resume; how much memory it takes if each trial loads its own
           data (--naive); and `pip` dependencies: matplotlib is in the header above but not in the nodes' image, so
           the submitter adds it to the runtime env, and each node installs it for this job only.
Run        python submit.py jobs/tune_forest.py -- --compare
           python submit.py jobs/tune_forest.py -- --resume        (continues this command after an interruption)
           python submit.py jobs/tune_forest.py -- --rows 581012 --depths 5 --trees 2 --naive
           python jobs/tune_forest.py --smoke-test                 (alone: uses its own Ray and a local folder)
Needs      1 CPU on a worker, or more for a speed-up; no GPU. Takes about 6 CPU minutes; --smoke-test: 15 seconds.
Dashboard  Jobs, this job: the `load` task, then one `trial` actor per CPU, which is reused for later trials.
"""

import argparse
import collections
import contextlib
import json
import logging
import os
import pathlib
import sys
import tempfile
import time
import zlib
from resource import RUSAGE_SELF, getrusage

import numpy as np
import pyarrow.fs
import pyarrow.parquet
import ray
from ray import tune
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from tune_tables import Progress, lines_of, words, write_tables

POSSIBLE = 0.9  # share of the synthetic labels that a model can learn; the others are a random class
STORE = "gs://lab-models" if "RAY_ADDRESS" in os.environ else tempfile.gettempdir()  # or a local folder
FOLDS = StratifiedKFold(3, shuffle=True, random_state=4)
WORTH_SAVING = 2.0  # seconds of work since the last checkpoint


def load(data, label, rows):
    """X, y and a description. Trees use float32 in C order, and every fit would copy any other format."""
    random = np.random.default_rng(4)
    if data == "synthetic":  # covertype's shape: 10 numeric columns, 44 binary columns, 7 classes
        X = random.random((rows, 54), dtype=np.float32)
        np.round(X[:, 10:], out=X[:, 10:])
        y = (X[:, :6] > 0.5).sum(axis=1)  # 0 to 6, from six columns: too many for a tree with five levels
        y = np.where(random.random(rows) < POSSIBLE, y, (y + random.integers(1, 7, rows)) % 7)
    elif data == "real":
        from sklearn.datasets import fetch_covtype  # slow, and otherwise not needed to load the data

        X, y = fetch_covtype(return_X_y=True)  # a download of 11 MB
    else:
        table = pyarrow.parquet.read_table(data)
        if label not in table.column_names:
            raise ValueError(f"no column {label!r}; --label can be {', '.join(table.column_names)}")
        X, y = table.drop_columns([label]).to_pandas(), np.unique(table[label], return_inverse=True)[1]
    X, y = np.ascontiguousarray(X, dtype=np.float32), np.asarray(y)
    if rows < len(y):
        chosen = np.sort(random.permutation(len(y))[:rows])
        X, y = X[chosen], y[chosen]
    return X, y, f"{data}, {len(y)} x {X.shape[1]}, {len(np.unique(y))} classes"


def floor_of(args):
    """98% of the best possible accuracy if a trial can reach that, otherwise None."""
    learns = max(args.depths) >= 20 and min(args.alphas) == 0 and max(args.trees) >= 40 and args.rows >= 8000
    return 0.98 * POSSIBLE if args.data == "synthetic" and learns else None


def accuracy_of_fold(X, y, train, test, config):
    """Plain scikit-learn. X[train] copies two thirds of X, which dominates the memory of a trial that shares data."""
    model = RandomForestClassifier(**config, max_features=0.5, random_state=4, n_jobs=1)
    return model.fit(X[train], y[train]).score(X[test], y[test])


def peak_memory():
    """The peak memory in MiB since the last call, with and without mapped memory (the object store and libraries)."""
    if sys.platform != "linux":
        return dict.fromkeys(("peak_mib", "private_mib"), getrusage(RUSAGE_SELF).ru_maxrss / 2**20)
    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    peak, *mapped = (int(status[name].split()[0]) / 1024 for name in ("VmHWM", "RssShmem", "RssFile"))
    with contextlib.suppress(
        OSError
    ):  # some sandboxes lack it; then it is the peak since the process started
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    return {"peak_mib": peak, "private_mib": peak - sum(mapped)}


class Trial(tune.Trainable):
    """Scores one configuration on a worker. Without Ray: `[accuracy_of_fold(X, y, *f, config) for f in FOLDS...]`."""

    def setup(self, config, source, stored):
        """Tune calls this when the process starts, which then runs one trial after the other."""
        # 1. The references become read-only arrays in this node's shared memory. With --naive, each trial has a copy
        self.load = lambda: ray.get(list(stored)) if stored else load(*source)[:2]
        self.reset_config(config)

    def reset_config(self, config):
        """Tune calls this before the process's next trial."""
        self.config, self.scores, self.start = config, [], None
        return True

    def step(self):
        """Tune calls this until the result is done. Scores the remaining folds, or those that take WORTH_SAVING s."""
        begun = time.time()
        if self.start is None:
            self.start, _ = begun, peak_memory()  # the process may have loaded the data, or run another trial
        X, y = self.load()
        for fold in list(FOLDS.split(X, y))[len(self.scores) :]:
            self.scores.append(accuracy_of_fold(X, y, *fold, self.config))
            if time.time() - begun > WORTH_SAVING:
                break
        done, node = len(self.scores) == FOLDS.n_splits, ray.get_runtime_context().get_node_id()
        result = {"accuracy": np.mean(self.scores), "node": node, "start": self.start, "end": time.time()}
        # 2. Writing a checkpoint to a bucket takes half a second, so it must save more work than that
        return result | peak_memory() | {"done": done, "should_checkpoint": not done}

    def save_checkpoint(self, folder):
        """Tune calls this after each step with `should_checkpoint`, and moves the file to the storage path."""
        pathlib.Path(folder, "scores.json").write_text(json.dumps(self.scores))

    def load_checkpoint(self, folder):
        """3. This trial was interrupted, or its node died. These folds are already done."""
        self.scores = json.loads(pathlib.Path(folder, "scores.json").read_text())


class LastInLine(tune.schedulers.FIFOScheduler):
    """Gives a free actor to the last trial in the queue. By default it goes to the first one, for which Tune may be
    starting an actor on another CPU, and that actor is killed. Then all short trials run on one CPU."""

    def choose_trial_to_run(self, controller):
        """Tune calls this whenever a trial can be started."""
        waiting = [one for one in controller.get_trials() if one.status == "PENDING"]
        return waiting[-1] if waiting else None


def grid_with_ray(args, grid, name, stored):
    """Run the grid and return Tune's results, one per trial."""
    # Every 5 seconds, Tune saves which trials have finished: this is what --resume may lose after a crash.
    os.environ.update(TUNE_GLOBAL_CHECKPOINT_S="5", TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1")
    # 4. One CPU per trial keeps trials off the head node. `stored` contains references, not the data
    work = tune.with_parameters(Trial, source=(args.data, args.label, args.rows), stored=stored)
    work, path = tune.with_resources(work, {"cpu": 1}), f"{args.storage_path}/{name}"
    space = {key: tune.grid_search(values) for key, values in grid.items()}
    again = tune.FailureConfig(max_failures=5)  # 5. If a trial's node dies, the trial resumes elsewhere
    to = {"name": name, "storage_path": args.storage_path, "verbose": 0, "callbacks": [Progress()]}
    checkpoints = tune.CheckpointConfig(checkpoint_at_end=False)  # its result is enough
    run = tune.RunConfig(**to, failure_config=again, checkpoint_config=checkpoints)
    # 6. A new process for each trial would be slow
    config = tune.TuneConfig(reuse_actors=True, scheduler=LastInLine())
    begun = args.resume and tune.Tuner.can_restore(path)  # before a new Tuner writes to the path
    for _ in range(5):
        if begun:  # 7. Finished trials are not repeated
            tuner = tune.Tuner.restore(path, work, resume_errored=True)
        else:
            tuner = tune.Tuner(work, param_space=space, tune_config=config, run_config=run)
        results, begun = tuner.fit(), True
        # If an actor dies while Tune reassigns it, Tune counts two failures and gives up on the trial
        if not any(isinstance(error, ray.exceptions.RayActorError) for error in results.errors):
            break
    return results


@ray.remote(num_cpus=1)
def grid_alone(X, y, configs):
    """Score one fold after another on one worker CPU."""
    start = time.perf_counter()
    mean = [np.mean([accuracy_of_fold(X, y, *fold, one) for fold in FOLDS.split(X, y)]) for one in configs]
    return mean, time.perf_counter() - start


@ray.remote(num_cpus=1)
def start_process():
    """Does nothing, but starts a process on each CPU. Tune would do this later, before it starts a trial's process."""


def wait_for_cpus(at_least=1, seconds=120):
    """Wait for workers to join. Without a CPU, no trial would ever be scheduled."""
    deadline = time.monotonic() + seconds
    while ray.cluster_resources().get("CPU", 0) < at_least:
        if time.monotonic() > deadline:
            raise SystemExit(f"No worker CPUs after {seconds} s. Start workers, then resubmit the job.")
        time.sleep(min(2, seconds))


def nodes_that_worked(tasks):
    """The nodes that ran trials, according to the node id in each trial's record."""
    count = collections.Counter(task["node"] for task in tasks)
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    return [{"node": name, "id": i, "pool": pool, "tasks": count[i]} for i, name, pool in nodes if i in count]


def writer_to(path, name):
    """Return a function that writes a file to the run's folder. Tests it first, because a grid takes a long time."""
    try:
        storage, folder = pyarrow.fs.FileSystem.from_uri(path)
        storage.create_dir(f"{folder}/{name}")

        def write(file, text):
            with storage.open_output_stream(f"{folder}/{name}/{file}") as stream:
                stream.write(text.encode())

        write("begun.txt", time.ctime())
    except (OSError, ValueError) as error:
        raise SystemExit(f"--storage-path {path} can't be written: {error}") from None
    return write


def run(args):
    """Run the grid. Raises if the best accuracy is below the floor, or if a trial differs without Ray."""
    grid = {"max_depth": args.depths, "n_estimators": args.trees, "ccp_alpha": args.alphas}
    source = (args.data, args.label, args.rows)
    # The name is a hash of the computation, so that only the same command can resume the run.
    name = f"grid-{zlib.crc32(repr((grid, source, args.naive)).encode()):08x}"
    write = writer_to(args.storage_path, name)
    # Silence Tune's table and Ray's repeated error reports, because this job prints its own lines.
    os.environ.update(RAY_AIR_NEW_OUTPUT="0", RAY_IGNORE_UNHANDLED_ERRORS="1")
    logging.getLogger("ray.tune").setLevel("ERROR")
    ray.init(log_to_driver=False)  # no address: the cluster sets it; otherwise, starts Ray on this machine
    wait_for_cpus()
    begin = time.time()
    # 8. A task loads the data on a worker. If the node dies, Ray recreates its return values, but objects from
    #    `ray.put` would be lost. Meanwhile, the other CPUs start processes for Tune.
    *stored, about = ray.remote(num_cpus=1, max_retries=5, num_returns=3)(load).remote(*source)
    for _ in range(int(ray.cluster_resources()["CPU"])):
        start_process.remote()
    try:
        about = ray.get(about)
    except ray.exceptions.RayTaskError as error:
        why = str(error).splitlines()[-1]  # the lines above are the worker's traceback
        raise SystemExit(f"--data {args.data} can't be read: {why}") from None
    results = grid_with_ray(args, grid, name, None if args.naive else stored)
    seconds = {"ray": time.time() - begin, "alone": None}
    if results.errors:
        raise RuntimeError(f"{results.num_errors} of {len(results)} trials failed") from results.errors[0]
    rows = [{**one.config, **one.metrics} for one in results if one.metrics and one.metrics.get("done")]
    rows.sort(key=lambda row: [row[key] for key in grid])  # otherwise, restarted trials come last
    if len(rows) < len(results):
        raise SystemExit(f"Stopped after {len(rows)} of {len(results)} trials: continue with --resume.")
    tasks = [{"name": words(row), **row} for row in rows if row["end"] > begin]  # others: before --resume
    best, scores = max(rows, key=lambda row: row["accuracy"]), [row["accuracy"] for row in rows]
    cpus = int(min(len(rows), ray.cluster_resources()["CPU"]))
    if args.compare:
        configs = [{key: row[key] for key in grid} for row in rows]
        alone, seconds["alone"] = ray.get(grid_alone.remote(*stored, configs))
        if alone != scores:
            raise RuntimeError(f"with Ray, the accuracies are {scores}; without Ray, they are {alone}")
    write_tables(rows, best, args.alphas, write)
    print(f"best: {words(best)}: {best['accuracy']:.4f}\nwritten to {args.storage_path}/{name}", flush=True)
    floor = floor_of(args)
    if floor and best["accuracy"] < floor:
        raise RuntimeError(f"the best accuracy of {best['accuracy']:.4f} is below the floor of {floor:.4f}")
    speed_up = seconds["alone"] / seconds["ray"] if args.compare and len(tasks) == len(rows) else None
    return {
        "version": 1, "job": "tune_forest", "data": about + (", naive" if args.naive else ""),
        "nodes": nodes_that_worked(tasks), "cpus": cpus, "seconds": seconds, "speed_up": speed_up,
        "efficiency": speed_up and speed_up / cpus, "peak_memory_mib": max(row["peak_mib"] for row in rows),
        "metrics": {
            "best_accuracy": best["accuracy"], "best": words(best), "floor": floor, "trials": len(rows),
            "resumed_trials": len(rows) - len(tasks), "written_to": f"{args.storage_path}/{name}",
            "peak_private_mib": max(row["private_mib"] for row in rows),
        },
        "curves": [{"title": f"forests, ccp_alpha {alpha:g}", "x": "trees", "y": "accuracy", "lines":
                    lines_of(rows, alpha)} for alpha in args.alphas],
        "tasks": [{key: task[key] for key in ("name", "node", "start", "end", "private_mib")} for task in tasks],
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data", default="synthetic", help="synthetic, real, or the URI of a parquet file")
    parser.add_argument("--label", default="Cover_Type", help="the parquet column with the classes")
    parser.add_argument("--rows", type=int, default=20_000, help="rows to use; covertype has 581012")
    parser.add_argument("--depths", type=int, nargs="+", default=[5, 10, 20], help="max_depth values")
    parser.add_argument("--trees", type=int, nargs="+", default=[75, 100, 125], help="n_estimators values")
    parser.add_argument("--alphas", type=float, nargs="+", default=[0, 0.001, 0.01], help="ccp_alpha values")
    parser.add_argument("--naive", action="store_true", help="each trial loads its own copy of the data")
    parser.add_argument("--resume", action="store_true", help="continue the run with the same flags")
    parser.add_argument("--storage-path", default=f"{STORE}/tune_forest", help="folder for trials and tables")
    parser.add_argument("--compare", action="store_true", help="also run without Ray and report the speed-up")
    parser.add_argument("--smoke-test", action="store_true", help="8000 rows, 4 trials, 40 trees")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if args.smoke_test:
        args.rows, args.depths, args.trees, args.alphas = 8000, [5, 20], [40], [0, 0.001]
    if args.rows < 100:
        parser.error(f"--rows {args.rows}: must be at least 100, so that each fold contains every class")
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
