# expect: runs
# truth: Ray imports no module of that name
import ray

ray.init()


@ray.remote
def mean(values):
    return sum(values) / len(values)


print(ray.get(mean.remote([1, 2, 3, 4])))
