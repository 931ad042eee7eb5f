# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy"]
#
# [tool.submit]
# needs = { cpus = 1 }
# ///
"""Compute squares, then pi from a million random numbers, to see when a task is worth its overhead.

Shows      a task's overhead: one task per number is a thousand times slower than a plain loop, and one per
           chunk pays the overhead once per chunk. With enough work per task, every CPU in the cluster helps.
Run        python submit.py jobs/ray_tasks.py -- --compare
           python jobs/ray_tasks.py --smoke-test                     (alone: starts its own Ray)
Needs      1 CPU on a worker, or more for a speed-up; no GPU. Takes about 8 CPU seconds; --smoke-test: 2.
Dashboard  Jobs, this job: hundreds of `squares` tasks that take almost no time, and 16 longer `heights` tasks.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import resource
import sys
import time

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

SEED = 2
CHUNKS = 16  # a few per CPU, so that no CPU idles for long at the end


def squares(numbers):
    """Do almost no work, so that the task's overhead dominates the time."""
    return [number * number for number in numbers]


def heights(numbers):
    """Sum 4 x the unit circle's height at each number. 100 Newton steps per root make this enough work."""
    total = 0.0
    for x in numbers.tolist():
        square, root = 1 - x * x, 1.0
        for _ in range(100):
            root = (root + square / root) / 2
        total += 4 * root
    return total


def note(name, start, **more):
    """The current task's record. Linux reports peak memory in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    node = ray.get_runtime_context().get_node_id()
    return {"name": name, "node": node, "start": start, "end": time.time(), "peak_mib": peak} | more


@ray.remote(num_cpus=1, max_retries=5)  # 1. Turns a function call for one chunk into a task on any worker
def on_a_worker(function, number, chunk):
    """Return the function's value and the task's record."""
    start = time.time()
    return function(chunk), note(f"{function.__name__} {number}", start)


@ray.remote(num_cpus=1)
def alone(function, chunks):
    """Process one chunk after another on one worker CPU."""
    start = time.perf_counter()
    return [function(chunk) for chunk in chunks], time.perf_counter() - start


def map_with_ray(function, chunks):
    """Return each chunk's value and task, and the seconds. Without Ray: `[function(chunk) for chunk in chunks]`."""
    start, task = time.perf_counter(), on_a_worker.options(name=function.__name__)  # for the dashboard
    refs = [task.remote(function, number, chunk) for number, chunk in enumerate(chunks)]  # 2. Does not block
    values, tasks = zip(*ray.get(refs), strict=True)  # 3. Waits for all tasks and returns them in order
    return list(values), list(tasks), time.perf_counter() - start


def start_processes():
    """Start a worker process for each CPU. Otherwise, the first one to start would do most of the work."""
    cpus = [node["NodeID"] for node in ray.nodes() for _ in range(int(node["Resources"].get("CPU", 0)))]
    places = [NodeAffinitySchedulingStrategy(node, soft=True) for node in cpus]  # soft: the node may die
    ray.get([on_a_worker.options(scheduling_strategy=place).remote(time.sleep, 0, 0.5) for place in places])


def cost_of_a_task(count):
    """Measure how many numbers are squared per second by a loop, one task per number, and one task per chunk."""
    chunks = [list(range(i, count, CHUNKS)) for i in range(CHUNKS)]
    looped, loop = ray.get(alone.remote(squares, chunks))
    single, tasks, by_number = map_with_ray(squares, [[number] for chunk in chunks for number in chunk])
    chunked, more, by_chunk = map_with_ray(squares, chunks)
    if looped != chunked or single != [[square] for chunk in looped for square in chunk]:
        raise RuntimeError("the squares differ with and without Ray")
    rates = {"loop": count / loop, "task_per_number": count / by_number, "task_per_chunk": count / by_chunk}
    for method, rate in rates.items():
        print(f"squares, {method:<16}{rate:>14,.0f} numbers per second", flush=True)
    return rates, tasks + more


def wait_for_cpus(at_least=1, seconds=120):
    """Wait for workers to join. Without a CPU, no task would ever be scheduled."""
    deadline = time.monotonic() + seconds
    while ray.cluster_resources().get("CPU", 0) < at_least:
        if time.monotonic() > deadline:
            raise SystemExit(f"No worker CPUs after {seconds} s. Start workers, then resubmit the job.")
        time.sleep(min(2, seconds))


def nodes_that_worked(tasks):
    """The nodes that ran tasks, according to the node id in each task's record."""
    count = collections.Counter(task["node"] for task in tasks)
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    return [{"node": name, "id": i, "pool": pool, "tasks": count[i]} for i, name, pool in nodes if i in count]


def run(args):
    """Run both parts. Raises if pi is more than 2% off, or if a value differs without Ray."""
    ray.init()  # no address: the cluster sets it; without a cluster, this starts Ray on this machine
    wait_for_cpus()
    cpus = int(min(CHUNKS, ray.cluster_resources()["CPU"]))
    start_processes()
    rates, tiny = cost_of_a_task(args.numbers // 1000)
    chunks = np.array_split(np.random.default_rng(SEED).random(args.numbers), CHUNKS)
    sums, tasks, with_ray = map_with_ray(heights, chunks)
    pi, seconds = math.fsum(sums) / args.numbers, {"ray": with_ray, "alone": None}
    print(f"pi from {args.numbers:,} numbers in {CHUNKS} tasks: {pi:.5f}, {with_ray:.2f} s", flush=True)
    if args.compare:
        values, seconds["alone"] = ray.get(alone.remote(heights, chunks))
        if values != sums:
            raise RuntimeError(f"with Ray, the chunks sum to {sums}; without Ray, they sum to {values}")
    if abs(pi / math.pi - 1) > 0.02:
        raise RuntimeError(f"pi from the random numbers is {pi:.5f}, which is more than 2% off")
    speed_up = seconds["alone"] / seconds["ray"] if args.compare else None
    return {
        "version": 1, "job": "ray_tasks", "data": f"{args.numbers} random numbers, seed {SEED}",
        "nodes": nodes_that_worked(tiny + tasks), "cpus": cpus, "seconds": seconds, "speed_up": speed_up,
        "efficiency": speed_up and speed_up / cpus, "peak_memory_mib": max(task["peak_mib"] for task in tasks),
        "metrics": {"pi": pi, "squares_per_second": rates}, "tasks": tasks,
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--numbers", type=int, default=1_000_000, help="random numbers (default: 1000000)")
    parser.add_argument("--compare", action="store_true", help="also run without Ray and report the speed-up")
    parser.add_argument("--smoke-test", dest="numbers", action="store_const", const=100_000, help="short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if args.numbers < 20_000:
        parser.error(f"--numbers {args.numbers}: with fewer than 20000, pi may be 2% off by chance")
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
