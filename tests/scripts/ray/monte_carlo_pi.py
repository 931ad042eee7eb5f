# expect: runs
# after Ray's documentation: ray-core/examples/monte_carlo_pi
import math
import random
import time

import ray

ray.init()


@ray.remote
class Progress:
    def __init__(self, total: int):
        self.total, self.done = total, {}

    def report(self, task: int, samples: int) -> None:
        self.done[task] = samples

    def share(self) -> float:
        return sum(self.done.values()) / self.total


@ray.remote
def inside(samples: int, task: int, progress: ray.actor.ActorHandle) -> int:
    hits = sum(math.hypot(random.uniform(-1, 1), random.uniform(-1, 1)) <= 1 for _ in range(samples))
    progress.report.remote(task, samples)
    return hits


TASKS, SAMPLES = 6, 50_000
progress = Progress.options(num_cpus=0).remote(TASKS * SAMPLES)
refs = [inside.remote(SAMPLES, n, progress) for n in range(TASKS)]
while (share := ray.get(progress.share.remote())) < 1:
    print(f"{share:.0%}")
    time.sleep(0.2)
pi = 4 * sum(ray.get(refs)) / (TASKS * SAMPLES)
print("pi is about", pi)
assert 3.1 < pi < 3.2
