# expect: DENIED shadowing calendar
# truth: every worker dies of its imports; the job waits until it times out
import ray

ray.init()


@ray.remote
def days(month):
    return month, 28 if month == 2 else 30


print(ray.get([days.remote(m) for m in range(1, 13)]))
