# expect: runs
# arguments: --size 200000
# after Ray's documentation: ray-core/patterns/tree-of-tasks
import argparse

import numpy as np
import ray


def parts(values):
    pivot = values[len(values) // 2]
    return values[values < pivot], values[values == pivot], values[values > pivot]


@ray.remote
def sort(values, least):
    if len(values) <= least:
        return np.sort(values)
    low, same, high = parts(values)
    low_ref, high_ref = sort.remote(low, least), sort.remote(high, least)
    return np.concatenate([ray.get(low_ref), same, ray.get(high_ref)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=4_000_000)
    args = parser.parse_args()
    ray.init(address="auto")
    values = np.random.default_rng(1).integers(1_000_000, size=args.size)
    done = ray.get(sort.remote(ray.put(values), len(values) // 4))
    assert (np.diff(done) >= 0).all()
    print("sorted", len(done))
