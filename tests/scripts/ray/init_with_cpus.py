# expect: DENIED script calls ray.init(num_cpus=…)
# truth: ValueError: When connecting to an existing cluster, num_cpus and num_gpus must not be provided
# after Ray's documentation: ray-core/walkthrough, as for one machine
import time

import ray

ray.init(num_cpus=4, ignore_reinit_error=True)


@ray.remote
def slow(x):
    time.sleep(0.1)
    return x


print(ray.get([slow.remote(n) for n in range(8)]))
