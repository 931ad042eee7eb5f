# /// script
# requires-python = ">=3.10"
# dependencies = ["pyarrow", "pandas<3"]
#
# [tool.submit]
# reads = ["--csv=gs://lab-data/avocado/csv"]
# writes = ["--parquet=gs://lab-data/avocado/from_csv"]
# files = ["avocado_schema.json"]  # travels with the script: CSV has no types, this file says them
# needs = { cpus = 1 }
# ///
"""CSV from a bucket to parquet in a bucket with Ray Data; a file beside the script says the types.

Shows      a file that travels with a job; a task a file reads and writes; a second run doubles no row.
Run        python submit.py jobs/make_data.py && python submit.py jobs/csv_to_parquet.py -- --compare
           python jobs/csv_to_parquet.py --smoke-test                (alone; makes a CSV where there is none)
Needs      1 CPU on a worker, better more; no GPU. 5 seconds.
Dashboard  Jobs, this job: its Ray Data overview, and a task for each file that reads and writes it.
"""

import argparse
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
    """The file system of a URI, and its files of a kind, in order."""
    files, folder = fs.FileSystem.from_uri(uri)
    found = files.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return files, sorted(one.path for one in found if one.path.endswith(f".{kind}"))


class ParquetFolder(ray.data.Datasink):
    """As `write_parquet(uri)`; but the names are the same in each run, and each task tells what it did."""

    def __init__(self, uri, schema):
        self.uri, self.schema = uri, schema

    def write(self, blocks, ctx):  # 2. on a worker; when that dies, again on another, to the same name
        start, (files, folder) = time.time(), fs.FileSystem.from_uri(self.uri)
        table = pa.concat_tables(BlockAccessor.for_block(block).to_arrow() for block in blocks)
        path, node = f"{folder}/part-{ctx.task_idx}.parquet", ray.get_runtime_context().get_node_id()
        parquet.write_table(table.cast(self.schema), path, filesystem=files)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (2 if MAC else 1)
        return {"name": f"file {ctx.task_idx}", "node": node, "path": path, "rows": len(table),
                "start": start, "end": time.time(), "peak_mib": peak}  # fmt: skip

    def on_write_complete(self, result):  # 3. on the driver, once all are written
        self.tasks, (files, there) = result.write_returns, files_in(self.uri, "parquet")
        for path in set(there) - {task["path"] for task in self.tasks}:
            files.delete_file(path)  # an earlier run had more files: no row may be there twice


@ray.remote(num_cpus=1)
def convert_alone(args, types):
    """Plain pyarrow, file by file, on one CPU of a worker for comparison: its seconds."""
    start, tables, (files, names) = time.perf_counter(), [], files_in(args.csv, "csv")
    for name in names:
        tables.append(csv.read_csv(files.open_input_stream(name), ONE_THREAD, None, types))
        parquet.write_table(tables[-1], pa.BufferOutputStream())
    seconds, (files, names) = time.perf_counter() - start, files_in(args.parquet, "parquet")
    with_ray = pa.concat_tables(parquet.ParquetFile(files.open_input_file(name)).read() for name in names)
    if not with_ray.equals(pa.concat_tables(tables)):
        raise RuntimeError("with Ray Data the rows are not those of plain pyarrow")
    return seconds


def check(args, schema):
    """Ends the job before the work, with one sentence, where it can't be done."""
    told = f"--parquet {args.parquet} can't be written"
    try:
        files, folder = fs.FileSystem.from_uri(args.parquet)
        if isinstance(files, fs.LocalFileSystem):  # a bucket has no folders to make
            os.makedirs(folder, exist_ok=True)
        files.open_output_stream(f"{folder}/.probe").close()
        files.delete_file(f"{folder}/.probe")
        told = f"--csv {args.csv} can't be read"
        files, names = files_in(args.csv, "csv")
        columns = [csv.open_csv(files.open_input_stream(name)).schema.names for name in names]
    except (OSError, ValueError) as error:  # Google's own words stand inside of the client's
        said = re.search(r"last message of (.*?) error_info|$", str(error))[1] or error
        raise SystemExit(f"{told}: {said}") from None
    if not names:
        raise SystemExit(f"--csv {args.csv} holds no CSV: python submit.py jobs/make_data.py writes some.")
    if missing := [name for name in schema.names if any(name not in found for found in columns)]:
        raise SystemExit(f"--csv {args.csv} lacks {', '.join(missing)}, which {TYPES.name} names.")
    if ray.cluster_resources().get("CPU", 0) < 1:
        raise SystemExit("No workers: there is no CPU. Start workers, then submit it again.")
    return files, names


def run(args):
    """Converts. Raises where other rows or types are read back than were written."""
    told = json.loads(TYPES.read_text())
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in told.items()])
    types = csv.ConvertOptions(column_types=schema, include_columns=schema.names)
    if args.csv.startswith(tempfile.gettempdir()) and not os.path.exists(args.csv):  # alone: some small data
        os.makedirs(args.csv)
        small = {name: ["2015-01-04" if name == "date" else 1] * 100 for name in schema.names}
        csv.write_csv(pa.table(small), f"{args.csv}/part-0.csv")
    ray.init()  # no address: the job's cluster gives it; started by hand, this machine becomes one
    context, (files, names) = ray.data.DataContext.get_current(), check(args, schema)
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    context.enable_progress_bars, context.execution_options.preserve_order = False, True
    start, folder = time.perf_counter(), ParquetFolder(args.parquet, schema)
    # 1. only a plan, a block a file; the next line runs it. The plain version is `convert_alone`.
    plan = ray.data.read_csv(names, filesystem=files, convert_options=types, override_num_blocks=len(names))
    plan.write_datasink(folder)
    seconds, tasks = {"ray": time.perf_counter() - start, "alone": None}, folder.tasks
    files, names = files_in(args.parquet, "parquet")
    found = [parquet.ParquetFile(files.open_input_file(name)) for name in names]  # the end of each
    rows, there = sum(task["rows"] for task in tasks), sum(one.metadata.num_rows for one in found)
    if rows != there or any(one.schema_arrow != schema for one in found):
        raise RuntimeError(f"{args.parquet} holds other rows or types than the {rows} rows of {args.csv}")
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
        "peak_memory_mib": max(task["peak_mib"] for task in tasks), "metrics": {"rows": rows},
    }  # fmt: skip


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--csv", default=f"{HOME}/avocado/csv", metavar="URI", help="a folder, is read")
    parser.add_argument("--parquet", default=f"{HOME}/avocado/from_csv", metavar="URI", help="is written")
    parser.add_argument("--compare", action="store_true", help="also run it without Ray: tells the speed-up")
    parser.add_argument("--smoke-test", action="store_true", help="as short as the data: changes nothing")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result here, a local file")
    args = parser.parse_args(argv)
    if args.output and (args.output.is_dir() or not os.access(args.output.parent, os.W_OK)):
        parser.error(f"--output {args.output}: no file can be written there, where the job runs")
    return args


def main():
    args = parse_args()
    result = json.dumps(run(args), allow_nan=False)
    ray.shutdown()  # a worker's line may still be on its way: none comes after the result
    if args.output:
        args.output.write_text(result + "\n")
    print("RESULT", result, flush=True)


if __name__ == "__main__":
    main()
