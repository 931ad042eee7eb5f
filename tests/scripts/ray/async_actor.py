# expect: runs
# after Ray's documentation: ray-core/actors/async_api, and ray-core/ray-generator
import asyncio
from dataclasses import dataclass

import ray


@dataclass(frozen=True)
class Reading:
    sensor: str
    value: float


@ray.remote(num_cpus=0, max_concurrency=4)
class Hub:
    async def read(self, sensor: str) -> Reading:
        await asyncio.sleep(0.05)
        return Reading(sensor, len(sensor))


@ray.remote(num_returns="streaming")
def stream(n):
    for i in range(n):
        yield i * i


async def main() -> None:
    hub = Hub.remote()
    readings = await asyncio.gather(*(hub.read.remote(name) for name in ("a", "bb", "ccc")))
    print(sorted(reading.value for reading in readings))
    print([ray.get(ref) for ref in stream.remote(4)])


if __name__ == "__main__":
    ray.init(ignore_reinit_error=True)
    asyncio.run(main())
