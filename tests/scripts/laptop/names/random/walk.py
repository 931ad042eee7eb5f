# expect: DENIED shadowing random
# truth: random.py beside it hides Python's own
import ray

from random import walk

ray.init()
print(ray.get(ray.remote(walk).remote(100)))
