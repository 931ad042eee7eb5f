# /// script
# requires-python = ">=3.10"
# dependencies = []
#
# [tool.submit]
# needs = { gpus = 1 }
# ///
"""Queue more tasks than there are GPUs. With half a GPU each, two run at a time and share its speed.

Shows      that Ray only counts GPUs: a task waits until its share is free, and CUDA_VISIBLE_DEVICES selects
           its GPU. On a real one, each task multiplies matrices with PyTorch or CuPy, or trains with XGBoost,
           if one of them is installed. For a simulated one, tasks queue in the same way, but only wait.
Run        python submit.py jobs/gpu_tasks.py
           python jobs/gpu_tasks.py --smoke-test       (alone: without a GPU, it simulates one)
Needs      1 GPU; no CPU except the driver's. Takes about 15 seconds; --smoke-test: 10.
Dashboard  Jobs, this job: `on_a_gpu` tasks waiting in PENDING_NODE_ASSIGNMENT. Cluster: GPU 1.0/1.0.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import sys
import time

import gpu_work
import ray

WIDTH = 40  # the chart's width in characters


# 1. A task that requests a GPU but no CPU. If each requested a CPU, tasks with half a GPU might queue for CPUs.
@ray.remote(num_gpus=1, num_cpus=0, max_retries=5)
def on_a_gpu(number, seconds):
    """Do some work and return the task's record. A framework sees only the GPUs in CUDA_VISIBLE_DEVICES."""
    start, node = time.time(), ray.get_runtime_context().get_node_id()
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    framework, rate = gpu_work.work(seconds)
    # Linux reports peak memory in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    task = {"name": f"task {number}", "node": node, "start": start, "end": time.time(), "peak_mib": peak}
    return task | {"CUDA_VISIBLE_DEVICES": devices, "framework": framework, "steps_per_second": rate}


def queue(count, share, seconds):
    """Submit all tasks together. Ray starts each one as soon as its share of a GPU is free."""
    sent = time.time()
    task = on_a_gpu.options(num_gpus=share)  # 2. With a share below 1, tasks run on a GPU concurrently
    tasks = ray.get([task.remote(number, seconds) for number in range(count)])
    return [{**task, "share": share, "waited": task["start"] - sent} for task in tasks]


def most_at_once(tasks):
    """The largest number of tasks that ran in parallel, counted at each task's start."""
    return max(sum(other["start"] <= one["start"] < other["end"] for other in tasks) for one in tasks)


def seconds_of(tasks):
    """The seconds from submitting all tasks until the last one finished."""
    return max(task["waited"] + task["end"] - task["start"] for task in tasks)


def chart(title, tasks, names):
    """Print one line per task, sorted by start time, that shows when it waited and when it ran."""
    print(title, flush=True)
    scale = WIDTH / seconds_of(tasks)
    for task in sorted(tasks, key=lambda task: task["start"]):
        start, end = task["waited"], task["waited"] + task["end"] - task["start"]
        bar = f"{'.' * int(start * scale)}{'#' * (int(end * scale) - int(start * scale))}".ljust(WIDTH)
        where = f"{names[task['node']]}, CUDA_VISIBLE_DEVICES={task['CUDA_VISIBLE_DEVICES']}"
        print(f"  {task['name']:<8}|{bar}| {start:5.1f} to {end:5.1f} s  {where}", flush=True)


def start_ray():
    """Connect to the cluster. Without a cluster and a GPU, start Ray on this machine with a simulated GPU."""
    ray.init()
    if "RAY_ADDRESS" in os.environ or ray.cluster_resources().get("GPU"):
        return
    print("This machine has no GPU, so Ray gets a simulated one. Only the queue is real.", flush=True)
    ray.shutdown()
    os.environ["RAYDOCK_SIMULATED_GPU"] = "1"  # for `gpu_work.work`
    ray.init(num_gpus=1, resources={"simulated_gpu": 1})


def wait_for_gpu(seconds=120):
    """Wait for workers to join. Without a GPU, no task would ever be scheduled."""
    deadline = time.monotonic() + seconds
    while not (gpus := int(ray.cluster_resources().get("GPU", 0))):
        if time.monotonic() > deadline:
            raise SystemExit(f"No GPU after {seconds} s. Start a worker with a GPU, then resubmit the job.")
        time.sleep(min(2, seconds))
    return gpus


def nodes_that_worked(tasks):
    """The nodes that ran tasks, according to their records. A simulated GPU is visible in the node's resources."""
    count = collections.Counter(task["node"] for task in tasks)
    return [{"node": node["NodeName"], "id": node["NodeID"], "pool": node["Labels"].get("pool"),
             "tasks": count[node["NodeID"]], "simulated": "simulated_gpu" in node["Resources"]}
            for node in ray.nodes() if node["NodeID"] in count]  # fmt: skip


def run(args):
    """Run both queues. Raises if more tasks ran at the same time than the GPUs allow."""
    start_ray()
    gpus = wait_for_gpu()
    count = args.tasks or 4 * gpus
    if count <= gpus:
        raise SystemExit(f"--tasks {count}: with {gpus} GPUs, no task would wait; use {gpus + 1} or more.")
    whole, half = queue(count, 1, args.seconds), queue(count, 0.5, args.seconds)
    seconds = {"ray": seconds_of(whole) + seconds_of(half), "alone": None}
    nodes = nodes_that_worked(whole + half)
    kind = "simulated" if any(node["simulated"] for node in nodes) else "real"
    names = {node["id"]: node["node"] for node in nodes}
    chart(f"{count} tasks with one GPU each, on {gpus} GPU ({kind})", whole, names)
    chart(f"{count} tasks with half a GPU each, on {gpus} GPU ({kind})", half, names)
    rate = gpu_work.rates(whole, half)
    gpu_work.describe(rate, kind)
    at_once = {"whole": most_at_once(whole), "half": most_at_once(half)}
    if at_once["whole"] > gpus or at_once["half"] > 2 * gpus:
        raise RuntimeError(f"too many tasks ran at the same time on {gpus} GPUs: {at_once}")
    return {
        "version": 1, "job": "gpu_tasks", "data": f"none; {gpus} GPU ({kind})", "nodes": nodes, "cpus": 0,
        "seconds": seconds, "speed_up": None, "efficiency": None,
        "peak_memory_mib": max(task["peak_mib"] for task in whole + half),
        "metrics": {"gpus": gpus, "gpu": kind, "most_at_once": at_once} | rate, "tasks": whole + half,
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--tasks", type=int, default=0, help="tasks, more than GPUs (default: 4 per GPU)")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of each task (default: 2)")
    parser.add_argument("--smoke-test", dest="seconds", action="store_const", const=1.2, help="a short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if args.tasks < 0 or not 0 < args.seconds <= 600:
        parser.error(f"--tasks {args.tasks} --seconds {args.seconds}: must be positive; at most 600 seconds")
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
