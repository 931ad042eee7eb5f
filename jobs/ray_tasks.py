# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy"]
#
# [tool.submit]
# needs = { cpus = 1 }
# ///
"""Squares, then pi from a million random numbers: when a task pays, and when it costs more than it does.

Shows      what a task costs by itself: one for each number is a thousand times slower than a plain loop, one
           for each chunk costs that once a chunk, and with work enough in it every CPU of the cluster helps.
Run        python submit.py jobs/ray_tasks.py -- --compare
           python jobs/ray_tasks.py --smoke-test                     (alone, with a Ray of its own)
Needs      1 CPU on a worker, better more; no GPU. About 8 seconds of one CPU; --smoke-test: 2.
Dashboard  Jobs, this job: hundreds of `squares` tasks that take no time, 16 `heights` tasks that take some.
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
CHUNKS = 16  # a few for each CPU, so that none is idle for long at the end


def squares(numbers):
    """Next to no work: what is left is the cost of the task."""
    return [number * number for number in numbers]


def heights(numbers):
    """4 x the height of the unit circle over each number, summed; the root by Newton, 100 steps: work enough."""
    total = 0.0
    for x in numbers.tolist():
        square, root = 1 - x * x, 1.0
        for _ in range(100):
            root = (root + square / root) / 2
        total += 4 * root
    return total


def note(name, start, **more):
    """What a task brings back of itself. Linux counts a process's peak memory in KiB, a Mac in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    node = ray.get_runtime_context().get_node_id()
    return {"name": name, "node": node, "start": start, "end": time.time(), "peak_mib": peak} | more


@ray.remote(num_cpus=1, max_retries=5)  # 1. a function of one chunk becomes a task on any worker
def on_a_worker(function, number, chunk):
    start = time.time()
    return function(chunk), note(f"{function.__name__} {number}", start)


@ray.remote(num_cpus=1)
def alone(function, chunks):
    """One chunk after the other, on one CPU of a worker."""
    start = time.perf_counter()
    return [function(chunk) for chunk in chunks], time.perf_counter() - start


def map_with_ray(function, chunks):
    """The value of each chunk, its task, and the seconds. Without Ray: `[function(chunk) for chunk in chunks]`."""
    start, task = time.perf_counter(), on_a_worker.options(name=function.__name__)  # for the dashboard
    sent = [task.remote(function, number, chunk) for number, chunk in enumerate(chunks)]  # 2. does not wait
    values, tasks = zip(*ray.get(sent), strict=True)  # 3. waits for all, in the order of the chunks
    return list(values), list(tasks), time.perf_counter() - start


def start_processes():
    """A worker's process on each CPU, which takes seconds: once, and not our subject. Else who is up first does all."""
    cpus = [node["NodeID"] for node in ray.nodes() for _ in range(int(node["Resources"].get("CPU", 0)))]
    places = [NodeAffinitySchedulingStrategy(node, soft=True) for node in cpus]  # soft: elsewhere if it dies
    ray.get([on_a_worker.options(scheduling_strategy=place).remote(time.sleep, 0, 0.5) for place in places])


def cost_of_a_task(count):
    """Numbers squared in a second: by a loop, by a task for each number, and by a task for each chunk."""
    chunks = [list(range(i, count, CHUNKS)) for i in range(CHUNKS)]
    looped, loop = ray.get(alone.remote(squares, chunks))
    single, tasks, by_number = map_with_ray(squares, [[number] for chunk in chunks for number in chunk])
    chunked, more, by_chunk = map_with_ray(squares, chunks)
    if looped != chunked or single != [[square] for chunk in looped for square in chunk]:
        raise RuntimeError("the squares differ with and without Ray")
    rates = {"loop": count / loop, "task_per_number": count / by_number, "task_per_chunk": count / by_chunk}
    for way, rate in rates.items():
        print(f"squares, {way:<16}{rate:>14,.0f} numbers a second", flush=True)
    return rates, tasks + more


def wait_for_cpus(at_least=1, seconds=120):
    """Workers may still be joining; a task without a CPU would wait for ever."""
    deadline = time.monotonic() + seconds
    while ray.cluster_resources().get("CPU", 0) < at_least:
        if time.monotonic() > deadline:
            raise SystemExit(f"No workers: no CPU after {seconds} s. Start workers, then submit it again.")
        time.sleep(min(2, seconds))


def nodes_that_worked(tasks):
    """Each task brought back the id of its node."""
    count = collections.Counter(task["node"] for task in tasks)
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    return [{"node": name, "id": i, "pool": pool, "tasks": count[i]} for i, name, pool in nodes if i in count]


def run(args):
    """Both parts. Raises where pi is off by 2 %, or a value differs without Ray."""
    ray.init()  # no address: the job's cluster gives it; started by hand, this machine becomes one
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
            raise RuntimeError(f"with Ray the chunks sum to {sums}, without it to {values}")
    if abs(pi / math.pi - 1) > 0.02:
        raise RuntimeError(f"pi from the random numbers is {pi:.5f}, more than 2 % off")
    speed_up = seconds["alone"] / seconds["ray"] if args.compare else None
    return {
        "version": 1, "job": "ray_tasks", "data": f"{args.numbers} random numbers, seed {SEED}",
        "nodes": nodes_that_worked(tiny + tasks), "cpus": cpus, "seconds": seconds, "speed_up": speed_up,
        "efficiency": speed_up and speed_up / cpus, "peak_memory_mib": max(task["peak_mib"] for task in tasks),
        "metrics": {"pi": pi, "squares_per_second": rates}, "tasks": tasks,
    }  # fmt: skip


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--numbers", type=int, default=1_000_000, help="(default 1000000)")
    parser.add_argument("--compare", action="store_true", help="also run it without Ray: tells the speed-up")
    parser.add_argument("--smoke-test", dest="numbers", action="store_const", const=100_000, help="short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result here, a local file")
    args = parser.parse_args(argv)
    if args.numbers < 20_000:
        parser.error(f"--numbers {args.numbers}: with fewer than 20000 pi may be more than 2 % off by chance")
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
