# /// script
# requires-python = ">=3.10"
# dependencies = ["xgboost", "numpy", "pyarrow", "pandas<3"]
#
# [tool.submit]
# reads = ["--data=gs://lab-data/avocado/parquet"]
# writes = ["--storage-path=gs://lab-models/train_xgboost"]
# needs = { cpus = 2 }
# ///
"""Train XGBoost on several workers with Ray Train. Each reads its share of a bucket, and all grow the same trees.

Shows      data-parallel training with a checkpoint in the bucket every round, from which it resumes if a worker
           dies. The final model is model.ubj in --storage-path, which plain XGBoost can load.
Run        python submit.py jobs/make_data.py && python submit.py jobs/train_xgboost.py -- --compare
           python jobs/train_xgboost.py --smoke-test                (alone: creates data if there is none)
Needs      1 CPU per worker (with --use-gpu also 1 GPU), and a spare one in case a worker dies. Takes 15 seconds.
Dashboard  Actors: one `RayTrainWorker` per worker. The first one logs one line per round.
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

# Ray Train V2's controller runs in the driver's process here, not in another one, and survives the death of any worker.
os.environ |= {"RAY_TRAIN_V2_ENABLED": "1", "RAY_TRAIN_RUN_CONTROLLER_AS_ACTOR": "0"}
import numpy as np
import pyarrow as pa
import ray.train
import xgboost as xgb
from pyarrow import fs, parquet
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer

ALONE, TEMP = "RAY_ADDRESS" not in os.environ, tempfile.gettempdir()
PATIENCE = 20  # seconds that workers may take to join
BYTES_PER_VALUE = 16  # the peak: 4 in an array, 8 in XGBoost's matrix, and its histogram's index
PARAMS = {"objective": "binary:logistic", "eval_metric": ["logloss", "error"], "nthread": 1}


def files_of(uri):
    """The parquet files in a folder, in order."""
    files, folder = fs.FileSystem.from_uri(uri)
    found = files.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    names = sorted(one.path for one in found if one.path.endswith(".parquet"))
    return [parquet.ParquetFile(files.open_input_file(name)) for name in names]


def matrices(config, rank=0, workers=1, kinds=(False, True)):
    """The training rows, and every fifth row, which is held out. 1. A worker's rank determines which row groups it
    takes, so that each rank gets the same rows again after a worker has died."""
    groups = [(file, n) for file in files_of(config["data"]) for n in range(file.num_row_groups)]
    parts = {kind: [] for kind in kinds}
    for file, n in groups[rank::workers]:  # one at a time, because a table takes more memory than float32
        table = file.read_row_group(n, config["columns"]).select(config["columns"])
        rows, held = table.to_pandas().to_numpy("float32"), np.arange(len(table)) % 5 == 4
        for kind in kinds:
            parts[kind].append(rows[held == kind])
    return [matrix(np.concatenate(parts.pop(kind)), config["columns"][:-1]) for kind in kinds]


def matrix(rows, names):
    """Rows for XGBoost. The label is the last column."""
    return xgb.DMatrix(rows[:, :-1], rows[:, -1], feature_names=names, nthread=1)


def train(config, train, held, done=0, **more):
    """Plain XGBoost."""
    watched = [(train, "train"), (held, "held_out")]
    return xgb.train(
        config["params"], train, config["rounds"] - done, evals=watched, verbose_eval=False, **more
    )


class Report(RayTrainReportCallback):
    """Reports only the rounds in `rounds`, because a worker waits until the driver has received its report."""

    def after_iteration(self, model, epoch, evals_log):
        """XGBoost calls this after each round."""
        if model.num_boosted_rounds() in self.rounds:
            super().after_iteration(model, epoch, evals_log)


def train_on_a_worker(config):
    """Run `train` with reports on each worker. XGBoost's workers discover each other."""
    logging.getLogger("ray.train").setLevel(logging.WARNING)  # otherwise, Ray logs a line per checkpoint
    context, checkpoint = ray.train.get_context(), ray.train.get_checkpoint()
    rank, workers = context.get_world_rank(), context.get_world_size()
    model = Report.get_model(checkpoint) if checkpoint else None  # 2. A worker died: resume from here
    done, every = model.num_boosted_rounds() if model else 0, config["every"]
    data, rounds = matrices(config, rank, workers), [*range(every, config["rounds"], every), config["rounds"]]
    pending = (number for number in rounds if number > done)
    own = {"name": f"worker {rank}", "node": ray.get_runtime_context().get_node_id(), "start": time.time()}
    everyone, start = [xgb.collective.broadcast(own, root) for root in range(workers)], time.perf_counter()

    def add_details(metrics):
        metrics |= {"round": next(pending), "seconds": time.perf_counter() - start, "end": time.time()}
        if rank == 0:
            loss = metrics["held_out-logloss"]
            print(f"round {metrics['round']}: log loss {loss:.4f} held out", flush=True)
        return metrics | {"workers": everyone, "peak_mib": peak_mib()}

    # 3. Every --checkpoint-every rounds, send metrics to the driver and the model as a checkpoint to the bucket
    report = Report(frequency=1, checkpoint_at_end=False, results_postprocessing_fn=add_details)
    report.rounds = rounds
    train(config, *data, done, xgb_model=model, callbacks=[report])


@ray.remote(num_cpus=1, max_retries=5)
def score(config, uri=None):
    """Score the held-out rows on one worker CPU, with the model at the URI or one trained here without Ray Train."""
    start, data = time.perf_counter(), matrices(config, kinds=(True,) if uri else (False, True))
    loaded = time.perf_counter()
    if uri:
        files, path = fs.FileSystem.from_uri(uri)
        model = xgb.Booster(config["params"], model_file=bytearray(files.open_input_file(path).read()))
    else:
        model = train(config, *data)
    seconds = {"seconds": time.perf_counter() - start, "train_seconds": time.perf_counter() - loaded}
    scores = dict(part.split(":") for part in model.eval(data[-1], "").split()[1:])
    return {
        "accuracy": 1 - float(scores["-error"]),
        "log_loss": float(scores["-logloss"]),
        **seconds,
    }


@ray.remote(num_cpus=0, num_gpus=1)
def use_of_gpu():
    """On a worker: what XGBoost does with its GPU. Without CUDA, it would train on the CPU and only warn."""
    if os.environ.get("RAYDOCK_SIMULATED_GPU") or os.environ.get("RAYDOCK_GPU") == "simulated":
        return "simulated"  # according to its node
    return "real" if xgb.build_info()["USE_CUDA"] else "unused"


def check_gpu():
    """What --use-gpu does here: real, or simulated, which trains on the CPU. Exits if XGBoost can't use the GPU."""
    found = ray.get(use_of_gpu.remote())
    if found == "unused":
        fix = "install the package xgboost instead of xgboost-cpu on the nodes, or omit --use-gpu"
        raise SystemExit(f"--use-gpu: XGBoost was built without CUDA, so it can't use the GPU: {fix}.")
    print(f"GPU: {found}{'; XGBoost trains on the CPU' * (found == 'simulated')}", flush=True)
    return found


def peak_mib():
    """This process's peak memory. Linux reports it in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def make_small_data(folder):
    """Without a cluster: create 4,000 rows. One label in twenty is wrong."""
    X, wrong = np.random.default_rng(3).random((4000, 2)), np.random.default_rng(4).random(4000) < 0.05
    columns = {"id": range(4000), "average_price": X[:, 0], "total_volume": X[:, 1]}
    table = pa.table(columns | {"type": ((X[:, 0] > 0.3) & (X[:, 1] < 0.7) ^ wrong).astype("int8")})
    os.makedirs(folder)
    table = table.replace_schema_metadata({"best_accuracy": "0.95"})
    parquet.write_table(table, f"{folder}/part-0.parquet", row_group_size=500)


def check(args):
    """If the job can't succeed, exit before any work is done. Returns the columns and the best possible accuracy."""
    failure = f"--storage-path {args.storage_path} can't be written"
    try:
        files, folder = fs.FileSystem.from_uri(args.storage_path)
        if isinstance(files, fs.LocalFileSystem):  # buckets have no folders to create
            os.makedirs(folder, exist_ok=True)
        files.open_output_stream(f"{folder}/.probe").close()
        with contextlib.suppress(FileNotFoundError):  # deleted, but the response was lost
            files.delete_file(f"{folder}/.probe")
        failure = f"--data {args.data} can't be read"
        found = files_of(args.data)
    except (OSError, ValueError) as error:  # the client's message contains Google's
        reason = re.search(r"last message of (.*?) error_info|$", str(error))[1] or error
        raise SystemExit(f"{failure}: {reason}") from None
    if not found:
        fix = "first run: python submit.py jobs/make_data.py"
        raise SystemExit(f"--data {args.data} contains no parquet files; {fix}")
    schema, groups = found[0].schema_arrow, sum(file.num_row_groups for file in found)
    numbers = [one.name for one in schema if pa.types.is_integer(one.type) or pa.types.is_floating(one.type)]
    if args.label not in numbers:
        others = ", ".join(numbers)
        raise SystemExit(f"--label {args.label} is not a numeric column. The numeric columns are {others}.")
    if groups < args.workers:
        raise SystemExit(f"--workers {args.workers}: {args.data} has only {groups} row groups to distribute.")
    kind, deadline = "GPU" if args.use_gpu else "CPU", time.monotonic() + PATIENCE
    while (have := int(ray.cluster_resources().get(kind, 0))) < args.workers:  # workers may still be joining
        if time.monotonic() > deadline:
            fewer = "Use fewer workers, or add some to the cluster"
            raise SystemExit(f"--workers {args.workers}: the cluster has {have} {kind}. {fewer}.")
        time.sleep(1)
    columns = [name for name in numbers if name not in (args.label, "id")] + [args.label]
    rows, best = sum(one.metadata.num_rows for one in found), (schema.metadata or {}).get(b"best_accuracy")
    check_memory(args, rows, len(columns), kind)
    return columns, best and float(best), rows  # make_data.py stores the best possible accuracy in its files


def check_memory(args, rows, columns, kind):
    """Exit if a worker's share of the rows can't fit into its memory. With --compare, one worker reads all of them."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get(kind)]
    has, workers = min(node.get("memory", 2**63) for node in nodes), 1 if args.compare else args.workers
    if (needs := rows / workers * columns * BYTES_PER_VALUE) > has:
        raise too_large(args, rows, f"a worker needs {needs / 2**30:.1f} GiB, but has {has / 2**30:.1f} GiB")


def too_large(args, rows, why):
    """The error for data that does not fit into the workers' memory."""
    more = "Omit --compare, or use" if args.compare else f"Use more workers than {args.workers}, or"
    return SystemExit(f"{rows:,} rows are too many: {why}. {more} workers with more memory, or fewer rows.")


def run(args):
    """Train, then score the model in the bucket. Raises if its accuracy is below the floor."""
    if ALONE and not os.path.exists(args.data):
        make_small_data(args.data)
    ray.init()  # no address: the cluster sets it; without a cluster, this starts Ray on this machine
    columns, best, rows = check(args)
    gpu = check_gpu() if args.use_gpu else None
    params = PARAMS | ({"device": "cuda"} if gpu == "real" else {})
    config = {"data": args.data, "columns": columns, "rounds": args.rounds, "params": params}
    config["every"] = args.checkpoint_every
    # How often the driver asks workers for reports, which takes CPU time from them. 2 s would delay the short rounds.
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = str(min(0.5, 0.05 * args.checkpoint_every))
    start, model = time.perf_counter(), f"{args.storage_path}/model.ubj"
    again = ray.train.FailureConfig(max_failures=3)  # 4. Restarts training if a worker dies
    trainer = XGBoostTrainer(
        train_on_a_worker,
        train_loop_config=config,
        scaling_config=ray.train.ScalingConfig(num_workers=args.workers, use_gpu=args.use_gpu),
        run_config=ray.train.RunConfig(storage_path=args.storage_path, failure_config=again),
    )
    try:
        result = trainer.fit()
    except TrainingFailedError as error:
        if "low on memory" in str(error) or "OOM" in str(error):
            raise too_large(args, rows, "a worker died, probably because it ran out of memory") from None
        raise
    reports = [metrics for _, metrics in result.best_checkpoints]
    files, path = fs.FileSystem.from_uri(model)
    files.copy_file(f"{result.checkpoint.path}/model.ubj", path)
    seconds, scored, alone = time.perf_counter() - start, ray.get(score.remote(config, model)), None
    if args.compare:
        alone = ray.get(score.remote(config))
        one, two = scored["log_loss"], alone["log_loss"]
        if abs(one - two) > 0.01:  # not exactly equal, because bins depend on each worker's share of the rows
            raise RuntimeError(f"with Ray Train, the log loss is {one}; without it, it is {two}")
    floor = args.floor or (best and 0.98 * best)
    if floor and scored["accuracy"] < floor:
        raise RuntimeError(f"held-out accuracy of {scored['accuracy']:.4f} is below the floor of {floor:.4f}")
    scores = f"accuracy {scored['accuracy']:.4f}, log loss {scored['log_loss']:.4f}"
    print(f"held out: {scores}; {model}", flush=True)
    last = {m["workers"][0]["start"]: m for m in reports}.values()  # each attempt's last report
    tasks = [one | {"end": m["end"]} for m in last for one in m["workers"]]
    ids = [task["node"] for task in tasks]
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    keys = {"train": "train", "held out": "held_out"}  # each line's name, and XGBoost's name for those rows
    lines = {of: {line: [[m["round"], m[f"{key}-{of}"]] for m in reports] for line, key in keys.items()}
             for of in ("logloss", "error")}  # fmt: skip
    speed_up = alone and alone["seconds"] / seconds
    return {
        "version": 1, "job": "train_xgboost",
        "data": f"{'synthetic' if best else 'as given'}, {rows} x {len(columns) - 1}, {args.data}",
        "nodes": [{"node": n, "id": i, "pool": p, "tasks": ids.count(i)} for i, n, p in nodes if i in ids],
        "cpus": args.workers, "seconds": {"ray": seconds, "alone": alone and alone["seconds"]},
        "speed_up": speed_up, "efficiency": speed_up and speed_up / args.workers,
        "peak_memory_mib": max(m["peak_mib"] for m in reports),
        "metrics": {
            "accuracy": scored["accuracy"], "log_loss": scored["log_loss"], "floor_accuracy": floor,
            "best_possible_accuracy": best, "rounds": args.rounds, "model": model, "attempts": len(last), "gpu": gpu,
            "train_seconds": sum(m["seconds"] for m in last), "train_seconds_alone": alone and alone["train_seconds"],
        },
        "curves": [{"title": f"{y} a round", "x": "boosting round", "y": y, "lines": lines[y]} for y in lines],
        "tasks": tasks,
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    data, models = (f"{TEMP if ALONE else 'gs:/'}/lab-{bucket}" for bucket in ("data", "models"))
    parser.add_argument("--data", default=f"{data}/avocado/parquet", metavar="URI", help="input")
    parser.add_argument("--storage-path", default=f"{models}/train_xgboost", metavar="URI", help="output")
    parser.add_argument("--label", default="type", help="the column to predict, 0 or 1 (default: type)")
    two = min(2, os.cpu_count()) if ALONE else 2
    parser.add_argument("--workers", type=int, default=two, help="number of workers (default: 2)")
    parser.add_argument("--rounds", type=int, default=10, help="boosting rounds (default: 10)")
    parser.add_argument("--checkpoint-every", type=int, default=1, metavar="N", help="N rounds (default: 1)")
    parser.add_argument("--use-gpu", action="store_true", help="one GPU per worker")
    floor = "minimum accuracy (default: 98%% of the best possible accuracy, if known)"
    parser.add_argument("--floor", type=float, help=floor)
    parser.add_argument("--compare", action="store_true", help="also run without Ray and report the speed-up")
    parser.add_argument("--smoke-test", dest="rounds", action="store_const", const=4, help="a short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if min(args.workers, args.rounds, args.checkpoint_every) < 1:
        parser.error("--workers, --rounds and --checkpoint-every must be at least 1")
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
