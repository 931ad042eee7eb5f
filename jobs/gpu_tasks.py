# /// script
# requires-python = ">=3.10"
# dependencies = []
#
# [tool.submit]
# needs = { gpus = 1 }
# ///
"""More tasks than GPUs: they queue. Half a GPU each: two at a time.

Shows      that Ray counts GPUs and touches none: a task waits until what it asks for is free, and learns by
           CUDA_VISIBLE_DEVICES which one it may use. A simulated GPU queues the same; log and result say so.
Run        python submit.py jobs/gpu_tasks.py
           python jobs/gpu_tasks.py --smoke-test       (alone; without a GPU, it makes Ray count one)
Needs      1 GPU; no CPU but the driver's. About 15 seconds; --smoke-test: 10.
Dashboard  Jobs, this job: `on_a_gpu` tasks that wait in PENDING_NODE_ASSIGNMENT, and Cluster: GPU 1.0/1.0.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import sys
import time

import ray

WIDTH = 40  # characters of the chart


def work(seconds):
    """Stands for work on a GPU: a framework would see the devices in this variable, and no others."""
    time.sleep(seconds)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


# 1. A task that asks for a GPU, and for no CPU: with one each, half GPUs would still queue for the CPUs.
@ray.remote(num_gpus=1, num_cpus=0, max_retries=5)
def on_a_gpu(number, seconds):
    start, devices, node = time.time(), work(seconds), ray.get_runtime_context().get_node_id()
    # Linux counts a process's peak memory in KiB, a Mac in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    task = {"name": f"task {number}", "node": node, "start": start, "end": time.time(), "peak_mib": peak}
    return task | {"CUDA_VISIBLE_DEVICES": devices}


def queue(count, share, seconds):
    """All tasks are sent at once; Ray starts each when its share of a GPU is free."""
    sent = time.time()
    task = on_a_gpu.options(num_gpus=share)  # 2. a share under 1: so many tasks use one GPU at a time
    tasks = ray.get([task.remote(number, seconds) for number in range(count)])
    return [{**task, "share": share, "waited": task["start"] - sent} for task in tasks]


def most_at_once(tasks):
    """How many tasks ran side by side at most: counted at the start of each."""
    return max(sum(other["start"] <= one["start"] < other["end"] for other in tasks) for one in tasks)


def seconds_of(tasks):
    """From sending them all to the end of the last."""
    return max(task["waited"] + task["end"] - task["start"] for task in tasks)


def chart(title, tasks, names):
    """A line for each task in the order of their starts: when it waited and when it ran."""
    print(title, flush=True)
    scale = WIDTH / seconds_of(tasks)
    for task in sorted(tasks, key=lambda task: task["start"]):
        start, end = task["waited"], task["waited"] + task["end"] - task["start"]
        bar = f"{'.' * int(start * scale)}{'#' * (int(end * scale) - int(start * scale))}".ljust(WIDTH)
        where = f"{names[task['node']]}, CUDA_VISIBLE_DEVICES={task['CUDA_VISIBLE_DEVICES']}"
        print(f"  {task['name']:<8}|{bar}| {start:5.1f} to {end:5.1f} s  {where}", flush=True)


def start_ray():
    """The job's cluster; started by hand where there is no GPU, a Ray of its own that counts one GPU anyway."""
    ray.init()
    if "RAY_ADDRESS" in os.environ or ray.cluster_resources().get("GPU"):
        return
    print("No GPU here: Ray is told of one that is not there. Only the queue is real.", flush=True)
    ray.shutdown()
    ray.init(num_gpus=1, resources={"simulated_gpu": 1})


def wait_for_gpu(seconds=120):
    """Workers may still be joining; a task that asks for a GPU would wait for ever where there is none."""
    deadline = time.monotonic() + seconds
    while not (gpus := int(ray.cluster_resources().get("GPU", 0))):
        if time.monotonic() > deadline:
            raise SystemExit(f"No GPU after {seconds} s. Start a worker with a GPU, then submit it again.")
        time.sleep(min(2, seconds))
    return gpus


def nodes_that_worked(tasks):
    """Each task brought back the id of its node. A node with simulated GPUs says so in its resources."""
    count = collections.Counter(task["node"] for task in tasks)
    return [{"node": node["NodeName"], "id": node["NodeID"], "pool": node["Labels"].get("pool"),
             "tasks": count[node["NodeID"]], "simulated": "simulated_gpu" in node["Resources"]}
            for node in ray.nodes() if node["NodeID"] in count]  # fmt: skip


def run(args):
    """Both queues. Raises where more tasks ran at once than the GPUs can hold."""
    start_ray()
    gpus = wait_for_gpu()
    count = args.tasks or 4 * gpus
    if count <= gpus:
        raise SystemExit(f"--tasks {count}: with {gpus} GPUs none has to wait; ask for {gpus + 1} or more.")
    whole, half = queue(count, 1, args.seconds), queue(count, 0.5, args.seconds)
    seconds = {"ray": seconds_of(whole) + seconds_of(half), "alone": None}
    nodes = nodes_that_worked(whole + half)
    kind = "simulated" if any(node["simulated"] for node in nodes) else "real"
    names = {node["id"]: node["node"] for node in nodes}
    chart(f"{count} tasks of one GPU each, on {gpus} GPU ({kind})", whole, names)
    chart(f"{count} tasks of half a GPU each, on {gpus} GPU ({kind})", half, names)
    at_once = {"whole": most_at_once(whole), "half": most_at_once(half)}
    if at_once["whole"] > gpus or at_once["half"] > 2 * gpus:
        raise RuntimeError(f"on {gpus} GPUs ran at once: {at_once}")
    return {
        "version": 1, "job": "gpu_tasks", "data": f"none; {gpus} GPU ({kind})", "nodes": nodes, "cpus": 0,
        "seconds": seconds, "speed_up": None, "efficiency": None,
        "peak_memory_mib": max(task["peak_mib"] for task in whole + half),
        "metrics": {"gpus": gpus, "gpu": kind, "most_at_once": at_once}, "tasks": whole + half,
    }  # fmt: skip


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--tasks", type=int, default=0, help="more than there are GPUs (default 4 for each)")
    parser.add_argument("--seconds", type=float, default=2.0, help="that each task holds its GPU (default 2)")
    parser.add_argument("--smoke-test", dest="seconds", action="store_const", const=1.2, help="a short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result here, a local file")
    args = parser.parse_args(argv)
    if args.tasks < 0 or not 0 < args.seconds <= 600:
        parser.error(f"--tasks {args.tasks} --seconds {args.seconds}: not under 0, and up to 600 seconds")
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
