# expect: runs
import ray

from data import numbers_up_to
from tune import best_of

ray.init()


@ray.remote
def square(x):
    return x * x


print(best_of(ray.get([square.remote(n) for n in numbers_up_to(5)])))
