# /// script
# requires-python = ">=3.10"
# dependencies = ["xgboost", "numpy", "pyarrow", "pandas<3"]
#
# [tool.submit]
# reads = ["--data=gs://lab-data/avocado/parquet", "--model=gs://lab-models/train_xgboost/model.ubj"]
# writes = ["--predictions=gs://lab-models/batch_predict"]
# needs = { cpus = 1 }
# ///
"""Predict every row in a bucket with a pool of actors, each of which loads the model once.

Shows      a class in `map_batches`: an expensive object (a model) is created once per worker, not per batch. A batch
           is a file here, which its actor reads and whose predictions it writes, so that no process has to wait.
Run        python submit.py jobs/train_xgboost.py && python submit.py jobs/batch_predict.py -- --compare
           python jobs/batch_predict.py --smoke-test              (alone: creates data and a model if needed)
Needs      1 CPU on a worker, or more for a speed-up; no GPU. Takes 5 seconds.
Dashboard  Jobs, this job: the Ray Data overview. Actors: one `MapWorker(MapBatches(Predictor))` per CPU.
"""

import argparse
import contextlib
import json
import logging
import os
import pathlib
import re
import resource
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import ray
import xgboost as xgb
from pyarrow import fs, parquet
from ray.data import DataContext, from_items

ALONE, TEMP = "RAY_ADDRESS" not in os.environ, tempfile.gettempdir()
MIB = 2**20 if sys.platform == "darwin" else 2**10  # Linux reports KiB, macOS bytes


def opened(uri):
    """The parquet files in a folder, in order. Reads only their footers."""
    files, folder = fs.FileSystem.from_uri(uri)
    found = files.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    names = sorted(one.path for one in found if one.path.endswith(".parquet"))
    return {name: parquet.ParquetFile(files.open_input_file(name)) for name in names}


def load(uri):
    """Load an XGBoost model from a bucket."""
    files, path = fs.FileSystem.from_uri(uri)
    return xgb.Booster({"nthread": 1}, model_file=bytearray(files.open_input_file(path).read()))


def predict(model, table):
    """Plain XGBoost. Returns the probability of class 1 for each row."""
    X = np.column_stack([table[name].to_numpy() for name in model.feature_names])
    return model.predict(xgb.DMatrix(X, feature_names=model.feature_names, nthread=1))


class Predictor:  # 1. Becomes an actor, which keeps its model loaded
    """Reads files, predicts their rows, and writes the predictions. Returns a record per file."""

    def __init__(self, args):
        self.args, self.model, self.node = args, load(args.model), ray.get_runtime_context().get_node_id()

    def __call__(self, batch):  # 2. On a worker. If it dies, another one writes the same file
        return {
            "record": [
                json.dumps(self.file(*one)) for one in zip(batch["number"], batch["name"], strict=True)
            ]
        }

    def file(self, number, name):
        """Read a file and write another one with the same number. Returns the record."""
        start, (files, _) = time.time(), fs.FileSystem.from_uri(self.args.data)
        table = parquet.ParquetFile(files.open_input_file(name)).read()
        ids, (files, folder) = table[self.args.id], fs.FileSystem.from_uri(self.args.predictions)
        path = f"{folder}/part-{number}.parquet"
        predictions = pa.table({self.args.id: ids, "prediction": predict(self.model, table)})
        parquet.write_table(predictions, path, filesystem=files)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
        return {"name": f"file {number}", "node": self.node, "start": start, "end": time.time(),
                "rows": len(table), "path": path, "peak_mib": peak}  # fmt: skip


def delete_others(uri, written):
    """Delete the files of an earlier run that wrote more of them. Otherwise, their rows would be duplicates."""
    files = fs.FileSystem.from_uri(uri)[0]
    for path in set(opened(uri)) - written:
        with contextlib.suppress(FileNotFoundError):  # deleted, but the response was lost
            files.delete_file(path)


@ray.remote(num_cpus=1)
def predict_alone(args):
    """Plain XGBoost, file by file, on one worker CPU. Returns the seconds. Raises if a prediction differs."""
    start, model, alone = time.perf_counter(), load(args.model), []
    for file in opened(args.data).values():
        table = file.read()
        alone.append(pa.table({args.id: table[args.id], "prediction": predict(model, table)}))
        parquet.write_table(alone[-1], pa.BufferOutputStream())
    seconds = time.perf_counter() - start
    with_ray = pa.concat_tables(file.read() for file in opened(args.predictions).values())
    if not with_ray.sort_by(args.id).equals(pa.concat_tables(alone).sort_by(args.id)):
        raise RuntimeError("Ray Data's predictions differ from plain XGBoost's")
    return seconds


def make_small(args):
    """Without a cluster: create some data and a model if there are none."""
    X = np.random.default_rng(3).random((4000, 2))
    if not os.path.exists(args.data):
        os.makedirs(args.data)
        prices = {"average_price": X[:, 0], "total_volume": X[:, 1]}
        columns = {"id": range(4000), **prices, "type": np.rint(X[:, 0])}
        parquet.write_table(pa.table(columns), f"{args.data}/part-0.parquet", row_group_size=500)
    os.makedirs(os.path.dirname(args.model), exist_ok=True)
    data = xgb.DMatrix(X, X[:, 0] > 0.5, feature_names=["average_price", "total_volume"])
    xgb.train({"objective": "binary:logistic"}, data, 2).save_model(args.model)


def check(args):
    """If the job can't succeed, exit with a one-sentence message before any work is done."""
    failure = f"--predictions {args.predictions} can't be written"
    try:
        files, folder = fs.FileSystem.from_uri(args.predictions)
        if isinstance(files, fs.LocalFileSystem):  # buckets have no folders to create
            os.makedirs(folder, exist_ok=True)
        files.open_output_stream(f"{folder}/.probe").close()
        with contextlib.suppress(FileNotFoundError):  # deleted, but the response was lost
            files.delete_file(f"{folder}/.probe")
        failure = f"--data {args.data} can't be read"
        found = opened(args.data)
        failure = f"--model {args.model} can't be read (to create it: python submit.py jobs/train_xgboost.py)"
        wanted = [*load(args.model).feature_names, args.id]
    except (OSError, ValueError, xgb.core.XGBoostError) as error:  # the client's message contains Google's
        reason = re.search(r"last message of (.*?) error_info|$", str(error))[1] or str(error).splitlines()[0]
        raise SystemExit(f"{failure}: {reason}") from None
    if not found:
        fix = "first run: python submit.py jobs/make_data.py"
        raise SystemExit(f"--data {args.data} contains no parquet files; {fix}")
    columns = set.intersection(*(set(file.schema_arrow.names) for file in found.values()))
    if missing := [name for name in wanted if name not in columns]:
        raise SystemExit(f"--data {args.data} lacks columns for the model or --id: {', '.join(missing)}.")
    if ray.cluster_resources().get("CPU", 0) < 1:
        raise SystemExit("No workers: the cluster has no CPU. Start workers, then resubmit the job.")
    return found


def run(args):
    """Predict all rows. Raises if the number of rows changes, or if --compare finds a different prediction."""
    if ALONE and not os.path.exists(args.model):
        make_small(args)
    ray.init()  # no address: the cluster sets it; without a cluster, this starts Ray on this machine
    begin, cpus = time.time(), int(ray.cluster_resources().get("CPU", 0))
    found, context = check(args), DataContext.get_current()
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    context.enable_progress_bars, context.execution_options.preserve_order = False, True
    context.wait_for_min_actors_s = 60  # otherwise, the first actor to start would take all the work
    # 3. The list of files, then a plan, which `take_all` runs. The plain version is `predict_alone`.
    cpus, items = min(len(found), cpus), [{"number": n, "name": name} for n, name in enumerate(found)]
    names = from_items(items, override_num_blocks=len(items))
    given = {"fn_constructor_args": (args,), "concurrency": cpus, "num_cpus": 1}
    try:
        rows = names.map_batches(Predictor, batch_size=None, **given).take_all()
    except ray.exceptions.GetTimeoutError:
        raise SystemExit(f"Fewer than {cpus} actors started within 60 s: resubmit the job.") from None
    seconds, tasks = {"ray": time.time() - begin, "alone": None}, [json.loads(row["record"]) for row in rows]
    delete_others(args.predictions, {task["path"] for task in tasks})
    uris = (args.data, args.predictions)
    rows, out = (sum(file.metadata.num_rows for file in opened(uri).values()) for uri in uris)
    if rows != out:
        raise RuntimeError(f"{rows} rows, but {out} predictions")
    print(f"{rows:,} predictions: {args.predictions}", flush=True)
    if args.compare:
        seconds["alone"] = ray.get(predict_alone.remote(args))
    speed_up = seconds["alone"] / seconds["ray"] if args.compare else None
    ids = [task["node"] for task in tasks]
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    return {
        "version": 1, "job": "batch_predict", "data": f"{rows} rows, {args.data}",
        "nodes": [{"node": n, "id": i, "pool": p, "tasks": ids.count(i)} for i, n, p in nodes if i in ids],
        "cpus": cpus, "seconds": seconds, "speed_up": speed_up, "efficiency": speed_up and speed_up / cpus,
        "peak_memory_mib": max(task["peak_mib"] for task in tasks), "tasks": tasks,
        "metrics": {"rows": rows, "model": args.model, "first_row_seconds": tasks[0]["start"] - begin},
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    data, models = (f"{TEMP if ALONE else 'gs:/'}/lab-{bucket}" for bucket in ("data", "models"))
    parser.add_argument("--data", default=f"{data}/avocado/parquet", metavar="URI", help="input")
    parser.add_argument("--model", default=f"{models}/train_xgboost/model.ubj", metavar="URI")
    parser.add_argument("--predictions", default=f"{models}/batch_predict", metavar="URI", help="output")
    parser.add_argument("--id", default="id", help="the column that identifies a row (default: id)")
    parser.add_argument("--compare", action="store_true", help="also run without Ray and report the speed-up")
    parser.add_argument("--smoke-test", action="store_true", help="no effect: run time depends on the data")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
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
