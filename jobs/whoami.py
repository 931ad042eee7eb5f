# /// script
# requires-python = ">=3.10"
# dependencies = ["google-cloud-storage", "google-auth", "requests"]
#
# [tool.submit]
# reads = ["--read=gs://lab-data/hello.txt"]
# writes = ["--write=gs://lab-models/whoami.txt"]
# ///
"""Show which identity a job runs as: the cluster's instead of yours, on the head node and on every worker.

Shows      which identity Google sees, and that this identity determines what the job may read and write.
Run        python submit.py jobs/whoami.py
           python submit.py jobs/whoami.py -- --read gs://closed-bucket/x    (denied before it is submitted)
           python jobs/whoami.py --smoke-test           (alone: with your application default credentials)
Needs      neither CPUs nor GPUs. Reads one object and writes one. Takes 5 seconds.
Dashboard  Jobs, this job: one `identity` task per node.
"""

import argparse
import json
import os
import pathlib
import time

import google.auth
import google.auth.exceptions
import ray
from google.auth.transport.requests import Request
from google.cloud import storage
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def identity():
    """The email address that identifies this process to Google's services, and the project."""
    try:
        credentials, project = google.auth.default(scopes=[SCOPE])  # on a cluster: from the metadata server
    except google.auth.exceptions.DefaultCredentialsError:
        runs_as = "nobody (no credentials found)"
        return {"runs_as": runs_as, "project": None}
    credentials.refresh(Request())  # before this, the address is only "default"
    runs_as = getattr(credentials, "service_account_email", "you, with your own login")
    return {"runs_as": runs_as, "project": project}


def identities():
    """The identity on every live node. Without Ray: `[identity()]`."""
    # 1. A task that needs no CPU, so that it also runs on the head node
    task = ray.remote(num_cpus=0)(identity)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    # 2. One task per node, pinned to its node
    strategies = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    found = ray.get([task.options(scheduling_strategy=strategy).remote() for strategy in strategies])
    names = [{"node": node["NodeName"], "pool": node["Labels"].get("pool", "-")} for node in nodes]
    return [{**one, **name, "tasks": 1} for one, name in zip(found, names, strict=True)]


def read(uri):
    """Return an object's first line."""
    text = storage.Blob.from_uri(uri, client=storage.Client()).download_as_text()
    return text.splitlines()[0] if text else ""


def write(uri, text):
    """Create or overwrite an object."""
    storage.Blob.from_uri(uri, client=storage.Client()).upload_from_string(text)


def run(args):
    """Collect the identities, then read and write. Raises Google's error if a permission is missing."""
    ray.init(log_to_driver=False)
    started = time.perf_counter()
    found = sorted(identities(), key=lambda one: (one["pool"] != "head", one["pool"], one["node"]))
    for one in found:
        print(f"{one['pool']:<10} {one['node']:<12}  runs as {one['runs_as']}", flush=True)
    names = {one["runs_as"] for one in found}
    if len(names) != 1:
        raise RuntimeError(f"the nodes run as different identities: {', '.join(sorted(names))}")
    line = read(args.read) if args.read else ""
    if args.read:
        print(f"read    {args.read}: {line}", flush=True)
    if args.write:
        write(args.write, f"written as {names.copy().pop()}\n")
        print(f"wrote   {args.write}", flush=True)
    return {
        "version": 1,
        "job": "whoami",
        "data": args.read or "none",
        "nodes": [{key: one[key] for key in ("node", "pool", "tasks")} for one in found],
        "seconds": round(time.perf_counter() - started, 3),
        "metrics": {"runs_as": names.pop(), "project": found[0]["project"]},
    }


def parse_args(argv=None):
    """Parse the arguments. With --smoke-test, nothing is read or written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    read, write = "gs://lab-data/hello.txt", "gs://lab-models/whoami.txt"
    parser.add_argument("--read", default=read, metavar="URI", help='object to read, or "" for none')
    parser.add_argument("--write", default=write, metavar="URI", help='object to write, or "" for none')
    parser.add_argument("--smoke-test", action="store_true", help="don't read or write anything")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if args.output and (args.output.is_dir() or not os.access(args.output.parent, os.W_OK)):
        parser.error(f"--output {args.output}: not writable on the machine that runs the job")
    if args.smoke_test:
        args.read = args.write = ""
    return args


def main():
    """Run the job, then print RESULT and the result as JSON. --output also writes it to a file."""
    args = parse_args()
    result = json.dumps(run(args))
    if args.output:
        args.output.write_text(result + "\n")
    print("RESULT", result, flush=True)


if __name__ == "__main__":
    main()
