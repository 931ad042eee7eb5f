# expect: runs
# truth: Ray brings its own psutil, which is there once ray is imported
import ray
import psutil

ray.init()


@ray.remote
def memory():
    return psutil.virtual_memory().total


print(ray.get(memory.remote()) // 2**20, "MiB on a worker;", psutil.cpu_count(), "CPUs here")
