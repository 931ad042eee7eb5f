# expect: runs
# after Ray's documentation: ray-core/starting-ray
import os

import ray

if ray.is_initialized():
    ray.shutdown()
if os.environ.get("RAY_ADDRESS"):
    ray.init(address="auto", log_to_driver=False)
else:
    ray.init(num_cpus=2, include_dashboard=False)
try:
    print({key: value for key, value in ray.cluster_resources().items() if key in ("CPU", "GPU")})
    assert ray.get(ray.remote(lambda: 42).remote()) == 42
finally:
    ray.shutdown()
