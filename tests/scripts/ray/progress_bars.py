# expect: runs
# after Ray's documentation: ray-observability/user-guides/debug-apps, distributed progress bars
import time

import ray
from ray.experimental.tqdm_ray import tqdm


@ray.remote
def work(name):
    for _ in tqdm(range(20), desc=name):
        time.sleep(0.02)
    return name


print(ray.get([work.remote("first"), work.remote("second")]))
