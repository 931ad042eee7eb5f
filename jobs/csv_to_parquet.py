# /// script
# requires-python = ">=3.10"
# dependencies = ["pyarrow", "pandas<3"]
#
# [tool.submit]
# reads = ["--csv=gs://lab-data/avocado/csv"]
# writes = ["--parquet=gs://lab-data/avocado/from_csv"]
# files = ["avocado_schema.json"]  # uploaded with the script: it defines the column types, which CSV lacks
# needs = { cpus = 1 }
# ///
"""Convert CSV files in a bucket to parquet with Ray Data, using column types from a file next to the script.

Shows      a file uploaded with a job, one task per file, and how a second run avoids duplicate rows.
Run        python submit.py jobs/make_data.py && python submit.py jobs/csv_to_parquet.py -- --compare
           python jobs/csv_to_parquet.py --smoke-test                (alone: creates a CSV if there is none)
Needs      1 CPU on a worker, or more for a speed-up; no GPU. Takes 5 seconds.
Dashboard  Jobs, this job: the Ray Data overview, and the task that reads and writes each file.
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

import pyarrow as pa
import ray.data
from pyarrow import csv, fs, parquet
from ray.data.block import BlockAccessor

HOME = "gs://lab-data" if "RAY_ADDRESS" in os.environ else f"{tempfile.gettempdir()}/lab-data"
ONE_THREAD, MAC = csv.ReadOptions(use_threads=False), sys.platform == "darwin"
TYPES = pathlib.Path(__file__).with_name("avocado_schema.json")


def files_in(uri, kind):
    """The URI's file system, and the files below it with the given extension, in order."""
    files, folder = fs.FileSystem.from_uri(uri)
    found = files.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return files, sorted(one.path for one in found if one.path.endswith(f".{kind}"))


class ParquetFolder(ray.data.Datasink):
    """Like `write_parquet(uri)`, but uses the same file names in each run, and returns a record per task."""

    def __init__(self, uri, schema):
        self.uri, self.schema = uri, schema

    def write(self, blocks, ctx):  # 2. On a worker. If it dies, another one writes the same file
        """Write one file and return the task's record."""
        start, (files, folder) = time.time(), fs.FileSystem.from_uri(self.uri)
        table = pa.concat_tables(BlockAccessor.for_block(block).to_arrow() for block in blocks)
        path, node = f"{folder}/part-{ctx.task_idx}.parquet", ray.get_runtime_context().get_node_id()
        parquet.write_table(table.cast(self.schema), path, filesystem=files)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (2 if MAC else 1)
        return {"name": f"file {ctx.task_idx}", "node": node, "path": path, "rows": len(table),
                "start": start, "end": time.time(), "peak_mib": peak}  # fmt: skip

    def on_write_complete(self, result):  # 3. Runs on the driver, after all files are written
        """Collect the records, and delete files from earlier runs."""
        self.tasks, (files, existing) = result.write_returns, files_in(self.uri, "parquet")
        for path in set(existing) - {task["path"] for task in self.tasks}:
            with contextlib.suppress(FileNotFoundError):  # deleted, but the response was lost
                files.delete_file(path)  # an earlier run wrote more files, whose rows would be duplicates


@ray.remote(num_cpus=1)
def start_process():
    """4. Starts a process and imports Ray Data, while the driver checks its arguments. Later tasks run in it."""
    return BlockAccessor.__name__


@ray.remote(num_cpus=1)
def convert_alone(args, types):
    """Plain pyarrow, file by file, on one worker CPU. Returns the seconds."""
    start, tables, (files, names) = time.perf_counter(), [], files_in(args.csv, "csv")
    for name in names:
        tables.append(csv.read_csv(files.open_input_stream(name), ONE_THREAD, None, types))
        parquet.write_table(tables[-1], pa.BufferOutputStream())
    seconds, (files, names) = time.perf_counter() - start, files_in(args.parquet, "parquet")
    with_ray = pa.concat_tables(parquet.ParquetFile(files.open_input_file(name)).read() for name in names)
    if not with_ray.equals(pa.concat_tables(tables)):
        raise RuntimeError("Ray Data's rows differ from plain pyarrow's")
    return seconds


def check(args, schema):
    """If the job can't succeed, exit with a one-sentence message before any work is done."""
    failure = f"--parquet {args.parquet} can't be written"
    try:
        files, folder = fs.FileSystem.from_uri(args.parquet)
        if isinstance(files, fs.LocalFileSystem):  # buckets have no folders to create
            os.makedirs(folder, exist_ok=True)
        files.open_output_stream(f"{folder}/.probe").close()
        with contextlib.suppress(FileNotFoundError):  # deleted, but the response was lost
            files.delete_file(f"{folder}/.probe")
        failure = f"--csv {args.csv} can't be read"
        files, names = files_in(args.csv, "csv")
        columns = [csv.open_csv(files.open_input_stream(name)).schema.names for name in names]
    except (OSError, ValueError) as error:  # the client's message contains Google's
        reason = re.search(r"last message of (.*?) error_info|$", str(error))[1] or error
        raise SystemExit(f"{failure}: {reason}") from None
    if not names:
        raise SystemExit(f"--csv {args.csv} has no CSV files; first run: python submit.py jobs/make_data.py")
    if missing := [name for name in schema.names if any(name not in found for found in columns)]:
        raise SystemExit(f"--csv {args.csv} lacks columns that {TYPES.name} defines: {', '.join(missing)}.")
    if ray.cluster_resources().get("CPU", 0) < 1:
        raise SystemExit("No workers: the cluster has no CPU. Start workers, then resubmit the job.")
    return files, names


def run(args):
    """Convert the files. Raises if the rows or types that are read back differ from those written."""
    columns = json.loads(TYPES.read_text())
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    types = csv.ConvertOptions(column_types=schema, include_columns=schema.names)
    if args.csv.startswith(tempfile.gettempdir()) and not os.path.exists(args.csv):  # no cluster: small data
        os.makedirs(args.csv)
        small = {name: ["2015-01-04" if name == "date" else 1] * 100 for name in schema.names}
        csv.write_csv(pa.table(small), f"{args.csv}/part-0.csv")
    ray.init()  # no address: the cluster sets it; without a cluster, this starts Ray on this machine
    begin = time.time()
    for _ in range(int(ray.cluster_resources().get("CPU", 0))):
        start_process.remote()
    context, (files, names) = ray.data.DataContext.get_current(), check(args, schema)
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    context.enable_progress_bars, context.execution_options.preserve_order = False, True
    folder = ParquetFolder(args.parquet, schema)
    # 1. This is only a plan, with one block per file. The next line runs it. The plain version is `convert_alone`.
    plan = ray.data.read_csv(names, filesystem=files, convert_options=types, override_num_blocks=len(names))
    plan.write_datasink(folder)
    seconds, tasks = {"ray": time.time() - begin, "alone": None}, folder.tasks
    files, names = files_in(args.parquet, "parquet")
    found = [parquet.ParquetFile(files.open_input_file(name)) for name in names]  # reads only the footers
    rows, written = sum(task["rows"] for task in tasks), sum(one.metadata.num_rows for one in found)
    if rows != written or any(one.schema_arrow != schema for one in found):
        raise RuntimeError(f"the rows or types in {args.parquet} differ from the {rows} rows in {args.csv}")
    print(f"{rows:,} rows in {len(names)} files: {args.parquet}", flush=True)
    if args.compare:
        seconds["alone"] = ray.get(convert_alone.remote(args, types))
    cpus, ids = int(min(len(tasks), ray.cluster_resources()["CPU"])), [task["node"] for task in tasks]
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    speed_up = seconds["alone"] / seconds["ray"] if args.compare else None
    return {
        "version": 1, "job": "csv_to_parquet", "data": f"{rows} x {len(schema)}, {args.csv}", "tasks": tasks,
        "nodes": [{"node": n, "id": i, "pool": p, "tasks": ids.count(i)} for i, n, p in nodes if i in ids],
        "cpus": cpus, "seconds": seconds, "speed_up": speed_up, "efficiency": speed_up and speed_up / cpus,
        "peak_memory_mib": max(task["peak_mib"] for task in tasks),
        "metrics": {"rows": rows, "first_row_seconds": min(task["start"] for task in tasks) - begin},
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--csv", default=f"{HOME}/avocado/csv", metavar="URI", help="input")
    parser.add_argument("--parquet", default=f"{HOME}/avocado/from_csv", metavar="URI", help="output")
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
