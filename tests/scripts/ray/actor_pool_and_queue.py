# expect: runs
# after Ray's documentation: ray-core/actors/actor-utils
import ray
from ray.util import ActorPool
from ray.util.queue import Empty, Queue


@ray.remote(num_cpus=0.5)
class Worker:
    def double(self, n):
        return 2 * n


@ray.remote(num_cpus=0.5)
def consume(queue):
    taken = []
    while True:
        try:
            taken.append(queue.get(timeout=1))
        except Empty:
            return taken


pool = ActorPool([Worker.remote(), Worker.remote()])
print(list(pool.map_unordered(lambda actor, n: actor.double.remote(n), range(6))))
queue = Queue(maxsize=20, actor_options={"num_cpus": 0})
for n in range(10):
    queue.put(n)
taken = ray.get([consume.remote(queue) for _ in range(2)])
assert sorted(sum(taken, [])) == list(range(10)), taken
