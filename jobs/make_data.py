# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy", "pyarrow"]
#
# [tool.submit]
# writes = ["--parquet=gs://lab-data/avocado/parquet", "--csv=gs://lab-data/avocado/csv"]
# needs = { cpus = 2 }  # one for the driver, one for the tasks
# # The driver does real work: it reads everything back. Because it reserves a CPU, it runs on a worker, not the head.
# entrypoint = { cpus = 1 }
# ///
"""Create the data for the bucket lessons: synthetic avocado prices with a known answer.

Shows      entrypoint resources (a driver that does real work), and files whose contents don't depend on the
           number of workers, because each file has its own seed.
Run        python submit.py jobs/make_data.py
           python submit.py jobs/make_data.py -- --rows 2000000
           python jobs/make_data.py --smoke-test                       (alone: writes to a folder on this machine)
Needs      2 CPUs on workers: one for the driver, the others for the tasks; no GPU. Takes 5 seconds.
Dashboard  Jobs, this job: its driver, which runs on a worker, and one `write_part` task per pair of files.
"""

import argparse
import contextlib
import json
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
from pyarrow import csv, fs, parquet

SEED, PARTS, ROWS = 3, 8, 18_249  # as many rows as in the popular data set of avocado prices, 2015 to 2018
DEAR, FEW = 1.3, 100_000  # the known answer: avocados are organic if they are expensive and few are sold,
FLIPPED, BEST = 0.05, 0.95  # but a random 5% of the labels are wrong, so no model can be better than BEST
PATIENCE = 60  # seconds that the first task may take to finish, since workers may still be joining
HOME = "gs://lab-data" if "RAY_ADDRESS" in os.environ else f"{tempfile.gettempdir()}/lab-data"


def part_of_data(part, all_rows):
    """The rows in one file. They depend only on the file's number."""
    first, rows = all_rows * part // PARTS, all_rows * (part + 1) // PARTS - all_rows * part // PARTS
    random = np.random.default_rng([SEED, part])  # a separate stream of random numbers per file
    date = np.datetime64("2015-01-04") + 7 * random.integers(0, 169, rows)
    price, volume = random.normal(1.4, 0.35, rows).clip(0.4, 3.5), random.lognormal(11, 1, rows)
    plu = random.dirichlet([3, 3, 1, 4], rows).T * volume  # three sizes by PLU code, and bags
    bags = random.dirichlet([8, 3, 1], rows).T * plu[3]
    organic = ((price > DEAR) & (volume < FEW)) ^ (random.random(rows) < FLIPPED)
    columns = {
        "id": np.arange(first, first + rows), "date": date, "average_price": price, "total_volume": volume,
        "plu4046": plu[0], "plu4225": plu[1], "plu4770": plu[2], "total_bags": plu[3], "small_bags": bags[0],
        "large_bags": bags[1], "xlarge_bags": bags[2], "year": date.astype("M8[Y]").astype(int) + 1970,
        "region": random.choice(["Albany", "Boston", "Chicago", "Denver"], rows), "type": organic.astype("int8"),
    }  # fmt: skip
    # The best possible accuracy is stored with the data, in each parquet file's schema.
    return pa.table(columns).replace_schema_metadata({"made_by": "make_data", "best_accuracy": str(BEST)})


def storage(uri):
    """The file system for a gs:// URI or a local folder, and the path within it."""
    return fs.FileSystem.from_uri(uri if "://" in uri else os.path.abspath(uri))


@ray.remote(num_cpus=1, max_retries=5)  # 1. A task. Running it twice writes the same files
def write_part(part, rows, parquet_uri, csv_uri):
    """Write one parquet and one CSV file, and return the task's record."""
    start, size, table = time.time(), 0, part_of_data(part, rows)
    for uri, kind, write in (parquet_uri, "parquet", parquet.write_table), (csv_uri, "csv", csv.write_csv):
        files, folder = storage(uri)
        with files.open_output_stream(f"{folder}/part-{part}.{kind}") as file:
            write(table, file)
            size += file.tell()
    # Linux reports peak memory in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    task = {"name": f"part {part}", "node": ray.get_runtime_context().get_node_id(), "start": start}
    return task | {"end": time.time(), "bytes": size, "peak_mib": peak}


def claim(flag, uri):
    """Exit if the folder can't be written to, before any work is done and not in each task."""
    try:
        files, folder = storage(uri)
        if isinstance(files, fs.LocalFileSystem):  # buckets have no folders to create
            os.makedirs(folder, exist_ok=True)
        files.open_output_stream(f"{folder}/.probe").close()
    except (OSError, ValueError) as error:  # the client's message contains Google's
        reason = re.search(r"last message of (.*?) error_info|$", str(error))[1] or error
        raise SystemExit(f"{flag} {uri} can't be written: {reason}") from None
    with contextlib.suppress(FileNotFoundError):  # deleted, but the response was lost
        files.delete_file(f"{folder}/.probe")


def check(uri, rows):
    """The driver's own work: read all rows back, and return how often the known answer is correct."""
    files, folder = storage(uri)
    found = parquet.read_table(folder, filesystem=files).to_pandas()
    if sorted(found.id) != list(range(rows)):
        raise SystemExit(f"{uri} has {len(found)} rows instead of {rows}: remove other files from it.")
    return float((((found.average_price > DEAR) & (found.total_volume < FEW)) == found.type).mean())


def run(args):
    """Write the data. Exits if the rows that are read back differ from those written."""
    claim("--parquet", args.parquet)
    claim("--csv", args.csv)
    ray.init()  # no address: the cluster sets it; without a cluster, this starts Ray on this machine
    start, cpus = time.perf_counter(), max(1, int(ray.available_resources().get("CPU", 0)))
    # 2. Without Ray: `[write_part(part, …) for part in range(PARTS)]`. `remote` does not block, `wait` and `get` do.
    waiting = [write_part.remote(part, args.rows, args.parquet, args.csv) for part in range(PARTS)]
    if not ray.wait(waiting, timeout=PATIENCE)[0]:
        raise SystemExit(f"After {PATIENCE} s, no CPU is free except the driver's: add a worker.")
    tasks = ray.get(waiting)
    seconds, ids = time.perf_counter() - start, [task["node"] for task in tasks]
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    right = check(args.parquet, args.rows)
    print(f"{args.rows:,} rows in {args.parquet} and {args.csv}", flush=True)
    return {
        "version": 1, "job": "make_data", "data": f"synthetic, {args.rows} x 14, seed {SEED}",
        "nodes": [{"node": n, "id": i, "pool": p, "tasks": ids.count(i)} for i, n, p in nodes if i in ids],
        "cpus": min(cpus, PARTS), "seconds": {"ray": seconds, "alone": None}, "speed_up": None,
        "efficiency": None, "peak_memory_mib": max(task["peak_mib"] for task in tasks), "tasks": tasks,
        "metrics": {"rows": args.rows, "bytes": sum(task["bytes"] for task in tasks), "best_accuracy": BEST,
                    "known_answer_accuracy": right},
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--parquet", default=f"{HOME}/avocado/parquet", metavar="URI", help="output")
    parser.add_argument("--csv", default=f"{HOME}/avocado/csv", metavar="URI", help="output")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows to write (default: {ROWS})")
    parser.add_argument("--smoke-test", dest="rows", action="store_const", const=4000, help="a short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if args.rows < PARTS:
        parser.error(f"--rows {args.rows}: must be at least 8, one per file")
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
